/** The database as the API reads it. */
import {
  type Query,
  QueryFailed,
  type QueryRow,
  type QuerySettings,
  questdbQuery,
} from '@fleetloom/shared/questdb/query'
import { Problem } from './http/problem.ts'

type Settings = Omit<QuerySettings, 'questdbUrl'> & { readonly questdbUrl?: string | undefined }

/** Undefined while no database is set up. */
export const openDatabase = ({ questdbUrl, ...login }: Settings): Query | undefined =>
  questdbUrl === undefined ? undefined : questdbQuery({ ...login, questdbUrl })

/** Rows of a query. @throws Problem when there is no database, or it does not answer */
export const rowsOf = async (query: Query | undefined, sql: string): Promise<readonly QueryRow[]> => {
  if (query === undefined)
    throw new Problem('unavailable', 'the api knows of no database', {
      next: 'Set QUESTDB_URL, QUESTDB_USER and QUESTDB_PASSWORD_FILE for it.',
    })
  try {
    return await query(sql)
  } catch (error) {
    if (!(error instanceof QueryFailed)) throw error
    throw new Problem('unavailable', error.message, { next: 'Send it again in a while.' })
  }
}
