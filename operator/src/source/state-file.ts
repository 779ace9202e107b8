/**
 * The state file: what an API server would keep of each resource. Written whole to a file beside it, synced and renamed, so a
 * crash leaves the old or the new one; mode 0600.
 */
import { open, readFile, rename } from 'node:fs/promises'
import { z } from 'zod'
import { type Catalog, keyOf } from './catalog.ts'
import type { Resource } from './source.ts'

export class StateFileError extends Error {
  override name = 'StateFileError'
  constructor(path: string, why: string) {
    super(
      `state file ${path} ${why}. It holds the uids of all resources: restore it from a backup; without it every fleet would count as a new one`,
    )
  }
}

const condition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  observedGeneration: z.number(),
  lastTransitionTime: z.string(),
})

const stored = z.object({
  kind: z.enum(['DeviceFleet', 'AlertRule']),
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string().min(1),
    generation: z.int().min(1),
    deletionTimestamp: z.string().optional(),
    finalizers: z.array(z.string()),
    annotations: z.record(z.string(), z.string()),
  }),
  spec: z.unknown(),
  status: z.looseObject({ observedGeneration: z.number(), conditions: z.array(condition) }).optional(),
})

const stateFile = z.object({ version: z.literal(1), folder: z.string(), resources: z.array(stored) })

export type State = {
  /** Identity of the folder that the resources came from. */
  readonly folder: string
  readonly catalog: Catalog
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

/**
 * The state kept in `path`; an empty one when there is no such file.
 * @throws StateFileError when it can't be read: going on would give every resource a new uid.
 */
export const loadState = async (path: string): Promise<State> => {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw new StateFileError(path, `can't be read: ${error instanceof Error ? error.message : error}`)
  })
  if (text === undefined) return { folder: '', catalog: new Map() }
  try {
    const { folder, resources } = stateFile.parse(JSON.parse(text))
    return { folder, catalog: new Map((resources as Resource[]).map((one) => [keyOf(one.kind, one.metadata), one])) }
  } catch (error) {
    throw new StateFileError(path, `is damaged: ${error instanceof z.ZodError ? z.prettifyError(error) : error}`)
  }
}

/** Replaces the state kept in `path`. Not safe to call while another call is under way. */
export const saveState = async (path: string, { folder, catalog }: State): Promise<void> => {
  const beside = `${path}.new`
  const file = await open(beside, 'w', 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(`${JSON.stringify({ version: 1, folder, resources: [...catalog.values()] }, undefined, 1)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, path)
}
