/** The exchanges recorded from a running EMQX 5.8.9 and its API description, where they are at hand: beside the repository. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Exchange = {
  readonly id: string
  readonly why: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: unknown
    /** Absent where the API key was used. */
    readonly auth?: 'none' | 'wrong' | 'bearer'
  }
  readonly response: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly body: unknown
  }
}

const FOLDER = join(import.meta.dirname, '../../../../../../../shared/emqx')
const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8')

export const isRecordingThere = existsSync(join(FOLDER, 'exchanges.jsonl'))

/** For the option `skip` of a test. */
export const skipReason = isRecordingThere
  ? false
  : 'the recorded exchanges are not beside the repository (../shared/emqx)'

export const recordedExchanges = (): Map<string, Exchange> => {
  const lines = read('exchanges.jsonl').trim().split('\n')
  return new Map(lines.map((line) => JSON.parse(line) as Exchange).map((exchange) => [exchange.id, exchange]))
}

export const recordedApi = (): unknown => JSON.parse(read('openapi.json'))
