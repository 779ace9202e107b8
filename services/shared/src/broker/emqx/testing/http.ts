/** How the stand-in takes requests and forms answers: EMQX's own words and codes. */
import type { Fields, State } from './state.ts'

export type Reply = { readonly status: number; readonly body?: unknown; readonly type?: string }

export type Call = {
  readonly state: State
  /** Segments of the path that the route leaves open, decoded. */
  readonly args: readonly string[]
  readonly query: URLSearchParams
  readonly body: unknown
}

export type Handler = (call: Call) => Reply

/** METHOD and path below /api/v5; `*` is one open segment. */
export type Routes = Readonly<Record<string, Handler>>

export const ok = (body?: unknown): Reply => ({ status: 200, body })
export const NO_CONTENT: Reply = { status: 204 }

export const problem = (status: number, code: string, message: string): Reply => ({ status, body: { code, message } })
export const badRequest = (message: unknown): Reply =>
  problem(400, 'BAD_REQUEST', typeof message === 'string' ? message : JSON.stringify(message))
export const invalid = (reason: string, path: string): Reply => badRequest({ reason, path, kind: 'validation_error' })

/** A crash inside EMQX: the answer repeats the request, its Authorization header included. */
export const crash = (authorization: string): Reply =>
  problem(
    500,
    'INTERNAL_ERROR',
    `error, function_clause, [{emqx,[#{headers => #{<<"authorization">> => <<"${authorization}">>}}]}]`,
  )

const MAX_LIMIT = 10_000
const DEFAULT_LIMIT = 100

type ListStyle = {
  /** Whether a `like_…` filter is used: EMQX then does not count. */
  readonly fuzzy?: boolean
  readonly hasnext?: 'exact' | 'full page' | 'left out'
}

/** A page of `items`; EMQX orders by key, descending. */
export const pageOf = (
  items: readonly unknown[],
  query: URLSearchParams,
  { fuzzy = false, hasnext = 'exact' }: ListStyle = {},
): Reply => {
  const page = Number(query.get('page') ?? 1)
  const limit = Number(query.get('limit') ?? DEFAULT_LIMIT)
  if (!(limit >= 1 && limit <= MAX_LIMIT))
    return badRequest({
      value: limit,
      reason: { expected: `1..${MAX_LIMIT}` },
      path: 'limit',
      kind: 'validation_error',
    })
  if (!(page >= 1))
    return badRequest({ value: page, reason: { expected: 'pos_integer()' }, path: 'page', kind: 'validation_error' })
  const data = items.slice((page - 1) * limit, page * limit)
  const next = { exact: page * limit < items.length, 'full page': data.length === limit, 'left out': undefined }[
    hasnext
  ]
  const count = fuzzy ? {} : { count: items.length }
  return ok({ data, meta: { ...count, ...(next === undefined ? {} : { hasnext: next }), limit, page } })
}

/** Entries of a map by key, descending. */
export const descending = <T>(map: ReadonlyMap<string, T>): T[] =>
  [...map].sort(([a], [b]) => (a < b ? 1 : -1)).map(([, value]) => value)

export const isFields = (body: unknown): body is Fields =>
  typeof body === 'object' && body !== null && !Array.isArray(body)
