/** QuestDB by SQL over HTTP `/exec`, with basic authentication and a timeout for each statement. */

import { messageOf } from '@fleetloom/shared/process/logger'
import { z } from 'zod'
import { Unreachable } from '../../loop/errors.ts'

export type QuestdbSettings = {
  readonly url: string
  readonly user: string
  readonly password: string
  readonly timeoutMs?: number
}

export type Row = Readonly<Record<string, unknown>>

export type Questdb = {
  /**
   * Runs one statement; a statement that is no query gives no rows.
   * @throws SqlError when the database refuses it, Unreachable when it does not answer.
   */
  sql(statement: string): Promise<readonly Row[]>
}

export class SqlError extends Error {
  override name = 'SqlError'
}

const TIMEOUT_MS = 10_000

const answer = z.union([
  z.object({ error: z.string() }),
  z.object({ columns: z.array(z.object({ name: z.string() })), dataset: z.array(z.array(z.unknown())) }),
  z.object({ ddl: z.string() }),
  z.object({ dml: z.string() }),
])

const rowsOf = (statement: string, body: unknown): readonly Row[] => {
  const parsed = answer.parse(body)
  if ('error' in parsed) throw new SqlError(`database refused ${statement.slice(0, 200)}: ${parsed.error}`)
  if (!('dataset' in parsed)) return []
  const names = parsed.columns.map(({ name }) => name)
  return parsed.dataset.map((values) => Object.fromEntries(names.map((name, i) => [name, values[i]])))
}

export const connectQuestdb = ({ url, user, password, timeoutMs = TIMEOUT_MS }: QuestdbSettings): Questdb => {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const ask = async (statement: string): Promise<Response> => {
    const target = new URL('exec', url.endsWith('/') ? url : `${url}/`)
    target.searchParams.set('query', statement)
    try {
      return await fetch(target, { headers: { authorization }, signal: AbortSignal.timeout(timeoutMs) })
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : ''
      throw new Unreachable(`QuestDB at ${url} does not answer: ${messageOf(error)}${cause}`)
    }
  }
  return {
    sql: async (statement) => {
      const response = await ask(statement)
      if (response.status === 401 || response.status === 403)
        throw new SqlError(
          `QuestDB at ${url} refused user ${user} (${response.status}): check QUESTDB_USER and its password`,
        )
      if (response.status >= 500 && response.headers.get('content-type')?.includes('json') !== true)
        throw new Unreachable(`QuestDB at ${url} answers ${response.status}`)
      return rowsOf(statement, await response.json())
    },
  }
}
