/** The requests that the adapter makes of EMQX 5.8, one function each, with what they answer. No decisions. */
import { z } from 'zod'
import { BrokerUnavailable } from '../broker.ts'
import { type Answer, BrokerRefused, type Request, type Rest } from './rest.ts'
import type { Rule } from './rules.ts'

export const AUTHENTICATOR = 'password_based:built_in_database'
export const SOURCE = 'built_in_database'
const USERS = ['authentication', AUTHENTICATOR, 'users'] as const
const IMPORT = ['authentication', AUTHENTICATOR, 'import_users'] as const
const RULES = ['authorization', 'sources', SOURCE, 'rules'] as const

/** Largest page that EMQX gives. */
const PAGE = 10_000
const MAX_PAGES = 1_000
/** Readings of a list that changes while it is read. */
const READINGS = 3
/** Bulk calls and long pages take longer than a single look. */
const BULK_TIMEOUT_MS = 60_000
/** EMQX takes JSON up to 8 MB and answers more with a 500. */
export const MAX_BODY_BYTES = 4_000_000
/** Names in one query, so that the request's line stays below 8 KB. */
export const MAX_QUERY_NAMES = 30

const rule = z.object({
  topic: z.string(),
  permission: z.enum(['allow', 'deny']),
  action: z.enum(['publish', 'subscribe', 'all']),
  qos: z.array(z.number()).optional(),
  retain: z.union([z.boolean(), z.literal('all')]).optional(),
})
export const ruleList = z.object({ rules: z.array(rule) })
const record = ruleList.extend({ username: z.string() })
const clientRecord = z.object({ clientid: z.string() })
const user = z.object({ user_id: z.string(), is_superuser: z.boolean() })
const ban = z.object({ as: z.string(), who: z.string(), by: z.string(), until: z.string() })
const session = z.object({ clientid: z.string(), username: z.string().nullish() })
const subscriptions = z.array(z.object({ topic: z.string() }))
const page = z.object({
  data: z.array(z.unknown()),
  meta: z.object({ count: z.number().optional(), hasnext: z.boolean().optional() }),
})

export type UserRecord = { readonly username: string; readonly rules: readonly Rule[] }
export type User = z.infer<typeof user>
export type Ban = z.infer<typeof ban>
export type Session = z.infer<typeof session>
export type UserRow = {
  readonly user_id: string
  readonly password_hash: string
  readonly salt: string
  readonly is_superuser: false
}

type Query = NonNullable<Request['query']>

/** What EMQX keeps below an authenticator or a source is not there without it. */
const notReady = ([kind]: readonly string[]): BrokerUnavailable => {
  const what = kind === 'authorization' ? 'built-in authorization source' : 'password authenticator'
  return new BrokerUnavailable(
    `the broker has no ${what} yet; the operator makes it at its next look, within RESYNC_MS`,
  )
}

const isLast = ({ data, meta }: z.infer<typeof page>, number: number): boolean =>
  data.length === 0 || !(meta.hasnext ?? number * PAGE < (meta.count ?? 0))

type Listing<T> = {
  readonly items: T[]
  /** The broker's count as each page told it, where it did. */
  readonly counts: ReadonlySet<number>
}

const listOnce = async <T>(
  rest: Rest,
  path: readonly string[],
  item: z.ZodType<T>,
  query: Query,
): Promise<Listing<T>> => {
  const items: T[] = []
  const counts = new Set<number>()
  for (let number = 1; number <= MAX_PAGES; number++) {
    const paged: Query = [['page', String(number)], ['limit', String(PAGE)], ...query]
    const answer = await rest.call({
      method: 'GET',
      path,
      query: paged,
      expect: [200, 404],
      timeoutMs: BULK_TIMEOUT_MS,
    })
    if (answer.status === 404) throw notReady(path)
    const got = page.parse(answer.body)
    for (const one of z.array(item).parse(got.data)) items.push(one)
    if (got.meta.count !== undefined) counts.add(got.meta.count)
    if (isLast(got, number)) return { items, counts }
  }
  throw new BrokerUnavailable(`the broker lists more than ${MAX_PAGES * PAGE} of /${path.join('/')}`)
}

/**
 * Every item of a list. `count` is missing where EMQX filters by `like_…`, `hasnext` where it lists bans, and `hasnext` may be
 * true before an empty page. Pages are cut by position: where something went or came between two of them, one item may stand
 * in neither, so the list is read again, and where it does not hold still, what any reading had is given, with repetitions.
 */
export const listAll = async <T>(
  rest: Rest,
  path: readonly string[],
  item: z.ZodType<T>,
  query: Query = [],
): Promise<T[]> => {
  const all: T[] = []
  for (let left = READINGS; left > 0; left--) {
    const { items, counts } = await listOnce(rest, path, item, query)
    if (counts.size <= 1) return items
    for (const one of items) all.push(one)
  }
  return all
}

export const listRecords = (rest: Rest): Promise<UserRecord[]> => listAll(rest, [...RULES, 'users'], record)
export const listUsers = (rest: Rest): Promise<User[]> => listAll(rest, USERS, user)
export const listBans = (rest: Rest): Promise<Ban[]> => listAll(rest, ['banned'], ban)

/** Client ids that have rules of their own, which would be asked before the user's. */
export const listClientRules = async (rest: Rest): Promise<string[]> =>
  (await listAll(rest, [...RULES, 'clients'], clientRecord)).map(({ clientid }) => clientid)

/** EMQX tells a missing record from a missing source or authenticator by its message only. */
const isMissing = ({ status, body }: Answer): boolean => {
  if (status !== 404) return false
  const message = String((body as { message?: unknown } | undefined)?.message)
  if (message === `Not found: ${SOURCE}`) throw notReady(['authorization'])
  if (message.startsWith('Authenticator')) throw notReady(['authentication'])
  return true
}

export const getRecord = async (rest: Rest, username: string): Promise<UserRecord | undefined> => {
  const answer = await rest.call({ method: 'GET', path: [...RULES, 'users', username], expect: [200, 404] })
  return isMissing(answer) ? undefined : record.parse(answer.body)
}

export const getUser = async (rest: Rest, username: string): Promise<User | undefined> => {
  const answer = await rest.call({ method: 'GET', path: [...USERS, username], expect: [200, 404] })
  return isMissing(answer) ? undefined : user.parse(answer.body)
}

/** Makes records; EMQX writes all or none. @throws BrokerRefused, with 409 when one of them is there. */
export const addRecords = (rest: Rest, body: readonly UserRecord[]): Promise<Answer> =>
  rest.call({ method: 'POST', path: [...RULES, 'users'], body, expect: [204], timeoutMs: BULK_TIMEOUT_MS })

/** Makes or replaces a record. Name in path and body must be one: EMQX answers a difference with a 500. */
export const putRecord = (rest: Rest, username: string, rules: readonly Rule[]): Promise<Answer> =>
  rest.call({ method: 'PUT', path: [...RULES, 'users', username], body: { username, rules }, expect: [204] })

export const deleteRecord = async (rest: Rest, username: string): Promise<void> =>
  void isMissing(await rest.call({ method: 'DELETE', path: [...RULES, 'users', username], expect: [204, 404] }))

export const deleteClientRules = async (rest: Rest, clientid: string): Promise<void> =>
  void isMissing(await rest.call({ method: 'DELETE', path: [...RULES, 'clients', clientid], expect: [204, 404] }))

const imported = z.object({ failed: z.number() })

/** Makes users or replaces them; EMQX takes no empty list. @throws BrokerRefused where one of them could not be written. */
export const importUsers = async (rest: Rest, body: readonly UserRow[]): Promise<void> => {
  const request = { method: 'POST', path: IMPORT, query: [['type', 'hash']], body, expect: [200, 404] } as const
  const answer = await rest.call({ ...request, isSecret: true, timeoutMs: BULK_TIMEOUT_MS })
  if (isMissing(answer)) throw notReady(['authentication'])
  const { failed } = imported.parse(answer.body)
  if (failed > 0) throw new BrokerRefused('an import of users', answer.status, `${failed} of ${body.length} failed`)
}

export const deleteUser = async (rest: Rest, username: string): Promise<void> =>
  void isMissing(await rest.call({ method: 'DELETE', path: [...USERS, username], expect: [204, 404] }))

/** Bans a client id for ever, which ends its live session. @throws BrokerRefused with `ALREADY_EXISTS`. */
export const addBan = (rest: Rest, who: string, by: string): Promise<Answer> =>
  rest.call({
    method: 'POST',
    path: ['banned'],
    expect: [200],
    body: { as: 'clientid', who, by, reason: 'disabled', until: 'infinity' },
  })

export const bansOf = (rest: Rest, clientid: string): Promise<Ban[]> =>
  listAll(rest, ['banned'], ban, [['clientid', clientid]])

export const deleteBan = (rest: Rest, clientid: string): Promise<Answer> =>
  rest.call({ method: 'DELETE', path: ['banned', 'clientid', clientid], expect: [204, 404] })

/** Live and kept sessions of at most MAX_QUERY_NAMES users, whatever their client ids. */
export const sessionsOf = (rest: Rest, usernames: readonly string[]): Promise<Session[]> =>
  listAll(rest, ['clients'], session, [
    ...usernames.map((name) => ['username', name] as const),
    ['fields', 'clientid,username'],
  ])

/** Ends sessions and throws their queues away. Unknown ones are passed over. */
export const kick = (rest: Rest, clientids: readonly string[]): Promise<Answer> =>
  rest.call({ method: 'POST', path: ['clients', 'kickout', 'bulk'], body: clientids, expect: [204] })

/** What a session subscribes; none when there is no such session. */
export const subscriptionsOf = async (rest: Rest, clientid: string): Promise<string[]> => {
  const { status, body } = await rest.call({
    method: 'GET',
    path: ['clients', clientid, 'subscriptions'],
    expect: [200, 404],
  })
  return status === 404 ? [] : subscriptions.parse(body).map(({ topic }) => topic)
}

export const unsubscribe = (rest: Rest, clientid: string, topic: string): Promise<Answer> =>
  rest.call({ method: 'POST', path: ['clients', clientid, 'unsubscribe'], body: { topic }, expect: [204, 404] })

/** Every client's next packet is judged by the rules as they are now. */
export const clearCache = (rest: Rest): Promise<Answer> =>
  rest.call({ method: 'DELETE', path: ['authorization', 'cache'], expect: [204] })
