/** Queries to QuestDB whose rows are read as they come, over HTTP `/exp`. Nothing but the piece that was read last is in memory. */
import { messageOf } from '../process/logger.ts'
import { CsvReader, type CsvRecord } from './csv.ts'
import { authorization, QueryFailed, type QuerySettings } from './query.ts'

/**
 * Rows of a query in some pieces, each row its columns as text; undefined for null. Who leaves the loop ends the request.
 * @throws QueryFailed, and the signal's reason
 */
export type Export = (sql: string, signal: AbortSignal) => AsyncIterable<readonly CsvRecord[]>

const MAX_REFUSAL = 4096

const refusal = async (response: Response): Promise<QueryFailed> => {
  const text = (await response.text()).slice(0, MAX_REFUSAL)
  const error = /"error":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text.trim()
  return new QueryFailed(`the database refused the query: ${error} (${response.status})`)
}

async function* recordsOf(response: Response): AsyncGenerator<readonly CsvRecord[]> {
  const reader = new CsvReader()
  const decoder = new TextDecoder()
  for await (const bytes of response.body ?? []) yield reader.push(decoder.decode(bytes, { stream: true }))
  reader.end()
}

export const questdbExport = (settings: QuerySettings): Export => {
  const base = settings.questdbUrl.endsWith('/') ? settings.questdbUrl : `${settings.questdbUrl}/`
  return async function* (sql, signal) {
    const url = new URL('exp', base)
    url.searchParams.set('query', sql)
    url.searchParams.set('nm', 'true')
    try {
      const response = await fetch(url, { headers: await authorization(settings), signal })
      if (!response.ok) throw await refusal(response)
      yield* recordsOf(response)
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof QueryFailed
        ? error
        : new QueryFailed(`the database does not answer to the end: ${messageOf(error)}`)
    }
  }
}
