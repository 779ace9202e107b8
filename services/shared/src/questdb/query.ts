/** Queries to QuestDB by SQL over HTTP `/exec`, with basic authentication. */
import { z } from 'zod'
import { messageOf } from '../process/logger.ts'
import { readSecret } from '../process/read-secret.ts'

export type QuerySettings = {
  readonly questdbUrl: string
  readonly questdbUser?: string | undefined
  readonly questdbPasswordFile?: string | undefined
}

export type QueryRow = Readonly<Record<string, unknown>>

/** Runs one query. @throws QueryFailed */
export type Query = (sql: string) => Promise<readonly QueryRow[]>

/** The database did not answer, or refused. */
export class QueryFailed extends Error {
  override name = 'QueryFailed'
}

const TIMEOUT_MS = 10_000

const answer = z.union([
  z.object({ error: z.string() }),
  z.object({ columns: z.array(z.object({ name: z.string() })), dataset: z.array(z.array(z.unknown())) }),
])

/** Headers that say who asks. The password is read each time: the mounted file may have changed. */
export const authorization = async ({
  questdbUser,
  questdbPasswordFile,
}: QuerySettings): Promise<Record<string, string>> => {
  if (questdbUser === undefined) return {}
  const password = questdbPasswordFile === undefined ? '' : await readSecret(questdbPasswordFile)
  return { authorization: `Basic ${Buffer.from(`${questdbUser}:${password}`).toString('base64')}` }
}

const rowsOf = (body: unknown): readonly QueryRow[] => {
  const parsed = answer.parse(body)
  if ('error' in parsed) throw new QueryFailed(`the database refused the query: ${parsed.error}`)
  const names = parsed.columns.map(({ name }) => name)
  return parsed.dataset.map((values) => Object.fromEntries(names.map((name, i) => [name, values[i]])))
}

export const questdbQuery = (settings: QuerySettings): Query => {
  const base = settings.questdbUrl.endsWith('/') ? settings.questdbUrl : `${settings.questdbUrl}/`
  return async (sql) => {
    const url = new URL('exec', base)
    url.searchParams.set('query', sql)
    try {
      const headers = await authorization(settings)
      const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })
      if (response.status === 401 || response.status === 403)
        throw new QueryFailed(
          `the database refused user ${settings.questdbUser} (${response.status}): check QUESTDB_USER and its password`,
        )
      return rowsOf(await response.json())
    } catch (error) {
      throw error instanceof QueryFailed ? error : new QueryFailed(`the database does not answer: ${messageOf(error)}`)
    }
  }
}
