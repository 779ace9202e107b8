/** The database as the API reads it. */
import { type Export, questdbExport } from '@fleetloom/shared/questdb/export'
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

/** The same for answers that are read as they come. */
export const openExport = ({ questdbUrl, ...login }: Settings): Export | undefined =>
  questdbUrl === undefined ? undefined : questdbExport({ ...login, questdbUrl })

/** What was given, if a database is set up. @throws Problem */
export const needed = <Access>(access: Access | undefined): Access => {
  if (access !== undefined) return access
  throw new Problem('unavailable', 'the api knows of no database', {
    next: 'Set QUESTDB_URL, QUESTDB_USER and QUESTDB_PASSWORD_FILE for it.',
  })
}

/** What the work with the database gives. @throws Problem when it does not answer */
export const answered = async <Result>(work: Promise<Result>): Promise<Result> => {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof QueryFailed)) throw error
    throw new Problem('unavailable', error.message, { next: 'Send it again in a while.' })
  }
}

/** Rows of a query. @throws Problem when there is no database, or it does not answer */
export const rowsOf = async (query: Query | undefined, sql: string): Promise<readonly QueryRow[]> =>
  answered(needed(query)(sql))
