import { mkdirSync } from 'node:fs'
import type { ChildOptions } from './child.ts'
import { tempDir, tempLog } from './temp.ts'

/** Where a server lives: in a temp folder that is thrown away on dispose, unless told. */
export type Place = {
  readonly directory?: string | undefined
  readonly logFile?: string | undefined
  /** Told when the server ends without being asked to. */
  readonly onDeath?: ((how: string) => void) | undefined
}

type Placed = {
  readonly directory: string
  /** The part of a child's options that follows from its place. */
  readonly child: Pick<ChildOptions, 'logFile' | 'stopSignal' | 'onDeath' | 'folder'>
}

export const placeOf = (name: string, { directory, logFile, onDeath }: Place): Placed => {
  const folder = directory === undefined ? tempDir(name) : undefined
  const path = directory ?? (folder as { path: string }).path
  mkdirSync(path, { recursive: true })
  const stopSignal = folder ? 'SIGKILL' : 'SIGTERM'
  return { directory: path, child: { logFile: logFile ?? tempLog(name), stopSignal, onDeath, folder } }
}
