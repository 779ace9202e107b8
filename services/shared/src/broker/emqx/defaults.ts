/**
 * Closing EMQX's open doors, in an order that opens none on the way:
 *
 * 1. The password authenticator, on and first: without one, everybody gets in. It is never turned off, nor made anew.
 * 2. The global zone: the client id is the user name; queues are large (limits.ts).
 * 3. What no rule matches is denied, without a disconnect, and nothing is cached: a rule is looked up in memory, and with
 *    the cache a revoked right would live on for a minute.
 * 4. The built-in source of rules, on and first, and its rules for everybody, which end in a denial of everything: so
 *    sources behind it are not asked, and an operator's own accounts need rules of their own.
 * 5. The file source is turned off where it allows everything to everybody. Its text stays.
 * 6. Listeners that let everybody in get the authenticators; one that asks for a client's certificate may do without.
 *
 * Each step looks first and writes only a difference. A step that fails keeps none of the later ones from closing theirs;
 * only a broker that is away ends them all.
 */
import { z } from 'zod'
import { messageOf } from '../../process/logger.ts'
import { HASH_ITERATIONS } from '../../registry/secret.ts'
import { BrokerUnavailable, MOST_FILTERS } from '../broker.ts'
import { AUTHENTICATOR, ruleList, SOURCE } from './api.ts'
import { type Limits, zone, zoneSettings, zoneWith, zoneWords } from './limits.ts'
import { listenerStep } from './listeners.ts'
import { BrokerRefused, type Request, type Rest } from './rest.ts'
import { type Rule, sameRules } from './rules.ts'

type Step = (rest: Rest, limits: Limits) => Promise<string[]>

/** What a user may have: the filters of an account, with the rules that go with them. EMQX's default is 100. */
const MIN_RULES = MOST_FILTERS + 96

export const HASH_ALGORITHM = { name: 'pbkdf2', mac_fun: 'sha512', iterations: HASH_ITERATIONS, dk_length: 64 } as const

/** Rules for everybody, asked after a user's own. `#` does not match `$SYS`, where a device could forge events. */
export const EVERYBODY: readonly Rule[] = [
  { topic: '$SYS/#', permission: 'deny', action: 'all' },
  { topic: '#', permission: 'deny', action: 'all' },
]

const authenticator = z.looseObject({
  id: z.string(),
  enable: z.boolean().default(true),
  user_id_type: z.string().optional(),
  password_hash_algorithm: z.looseObject({ name: z.string() }).optional(),
})
type Authenticator = z.infer<typeof authenticator>

const get = async <T>(rest: Rest, path: readonly string[], shape: z.ZodType<T>): Promise<T> =>
  shape.parse((await rest.call({ method: 'GET', path, expect: [200] })).body)

const put = (rest: Rest, path: readonly string[], body?: unknown): Promise<unknown> =>
  rest.call({ method: 'PUT', path, body, expect: [200, 204] })

/** Makes something; another replica may have been first. */
const make = async (rest: Rest, request: Pick<Request, 'path' | 'body'>, there: RegExp): Promise<void> => {
  try {
    await rest.call({ method: 'POST', ...request, expect: [200, 201, 204] })
  } catch (error) {
    if (!(error instanceof BrokerRefused && there.test(error.reason))) throw error
  }
}

const isHashRight = ({ password_hash_algorithm: have }: Authenticator): boolean =>
  Object.entries(HASH_ALGORITHM).every(([key, value]) => have?.[key] === value)

/** Gives the error of a change of the hash that would shut out users that are there. */
const hashFault = async (rest: Rest): Promise<Error | undefined> => {
  const users = z.object({ data: z.array(z.unknown()) })
  const call = {
    method: 'GET',
    path: ['authentication', AUTHENTICATOR, 'users'],
    query: [['limit', '1']],
    expect: [200],
  } as const
  if (users.parse((await rest.call(call)).body).data.length === 0) return undefined
  return new Error(
    'the broker hashes passwords in another way than the registry, and has users: set password_hash_algorithm of its authenticator ' +
      `${AUTHENTICATOR} to ${JSON.stringify(HASH_ALGORITHM)} and give those users new passwords, or remove them`,
  )
}

/** One that is off is turned on whatever else is wrong with it: with it off, everybody gets in. */
const mendAuthenticator = async (rest: Rest, have: Authenticator): Promise<string[]> => {
  const fault = isHashRight(have) ? undefined : await hashFault(rest)
  const words = [
    !have.enable && 'broker authenticator was off: everybody got in; is now on',
    have.user_id_type !== 'username' && `broker authenticator knew users by ${have.user_id_type}, now by username`,
    !isHashRight(have) &&
      !fault &&
      `broker authenticator hashed with ${have.password_hash_algorithm?.name}, now as the registry does`,
  ].filter((word) => word !== false)
  if (words.length > 0) {
    const { id: _, ...fields } = have
    const hash = fault ? {} : { password_hash_algorithm: HASH_ALGORITHM }
    await put(rest, ['authentication', AUTHENTICATOR], {
      ...fields,
      enable: true,
      user_id_type: 'username',
      ...hash,
    })
  }
  if (fault) throw fault
  return words
}

const authentication: Step = async (rest) => {
  const chain = await get(rest, ['authentication'], z.array(authenticator))
  const have = chain.find(({ id }) => id === AUTHENTICATOR)
  if (have === undefined) {
    const [mechanism, backend] = AUTHENTICATOR.split(':')
    const body = { mechanism, backend, enable: true, user_id_type: 'username', password_hash_algorithm: HASH_ALGORITHM }
    await make(rest, { path: ['authentication'], body }, /^ALREADY_EXISTS/)
  }
  const words = have ? await mendAuthenticator(rest, have) : ['broker had no password authenticator; made one']
  if (chain.length > 0 && chain[0]?.id !== AUTHENTICATOR) {
    await put(rest, ['authentication', AUTHENTICATOR, 'position', 'front'])
    words.push('broker authenticator was not the first; is now')
  }
  return words
}

const zoneStep: Step = async (rest, limits) => {
  const path = ['configs', 'global_zone']
  const have = await get(rest, path, zone)
  const settings = zoneSettings(have, limits)
  if (settings.length > 0) await put(rest, path, zoneWith(have, settings))
  return zoneWords(have, settings)
}

const settings = z.looseObject({
  no_match: z.string(),
  deny_action: z.string(),
  cache: z.looseObject({ enable: z.boolean() }),
})

const authorization: Step = async (rest) => {
  const path = ['authorization', 'settings']
  const have = await get(rest, path, settings)
  const words = [
    have.no_match !== 'deny' && `broker rule for what no other matches was ${have.no_match}, is now deny`,
    have.deny_action !== 'ignore' && `broker action on a denial was ${have.deny_action}, is now ignore`,
    have.cache.enable && 'broker cached what is allowed; does not any more',
  ].filter((word) => word !== false)
  if (words.length > 0)
    await put(rest, path, { no_match: 'deny', deny_action: 'ignore', cache: { ...have.cache, enable: false } })
  return words
}

const sources = z.object({
  sources: z.array(
    z.looseObject({
      type: z.string(),
      enable: z.boolean(),
      max_rules: z.number().optional(),
      rules: z.string().optional(),
    }),
  ),
})

const sourceStep: Step = async (rest) => {
  const { sources: all } = await get(rest, ['authorization', 'sources'], sources)
  const have = all.find(({ type }) => type === SOURCE)
  const body = { type: SOURCE, enable: true, max_rules: Math.max(have?.max_rules ?? 0, MIN_RULES) }
  if (have === undefined) {
    await make(rest, { path: ['authorization', 'sources'], body }, /duplicated_authz_source_type/)
    return ['broker had no source of rules for users; made one']
  }
  const words: string[] = []
  if (!have.enable || have.max_rules !== body.max_rules) {
    await put(rest, ['authorization', 'sources', SOURCE], body)
    words.push(
      have.enable ? `broker rules of a user: at most ${body.max_rules}` : 'broker source of rules was off; is now on',
    )
  }
  if (all[0]?.type !== SOURCE) {
    await rest.call({
      method: 'POST',
      path: ['authorization', 'sources', SOURCE, 'move'],
      body: { position: 'front' },
      expect: [204],
    })
    words.push('broker source of rules was not the first; is now')
  }
  return words
}

const everybody: Step = async (rest) => {
  const path = ['authorization', 'sources', SOURCE, 'rules', 'all']
  const { rules } = await get(rest, path, ruleList)
  if (sameRules(rules, EVERYBODY)) return []
  await rest.call({ method: 'POST', path, body: { rules: EVERYBODY }, expect: [204] })
  return [
    `broker rules for everybody were ${rules.length === 0 ? 'none' : JSON.stringify(rules.map(({ topic }) => topic))}; now deny all`,
  ]
}

/** Whether the file, comments aside, allows everything to everybody. */
export const allowsAll = (rules: string): boolean => /\{\s*allow\s*,\s*all\s*\}/.test(rules.replaceAll(/%.*$/gm, ''))

const fileSource: Step = async (rest) => {
  const { sources: all } = await get(rest, ['authorization', 'sources'], sources)
  const file = all.find(({ type }) => type === 'file')
  if (!file?.enable || !allowsAll(file.rules ?? '')) return []
  await put(rest, ['authorization', 'sources', 'file'], { ...file, enable: false })
  return ['broker file of rules allowed everything to everybody; is now off']
}

const STEPS: readonly Step[] = [
  authentication,
  zoneStep,
  authorization,
  sourceStep,
  everybody,
  fileSource,
  listenerStep,
]

/**
 * Closes what is open. Gives what had to be changed, in words; a second call changes nothing.
 * @throws the first step's error, which names after it what was changed all the same.
 */
export const secureDefaults = async (rest: Rest, limits: Limits): Promise<string[]> => {
  const words: string[] = []
  const errors: unknown[] = []
  for (const step of STEPS)
    try {
      words.push(...(await step(rest, limits)))
    } catch (error) {
      if (error instanceof BrokerUnavailable) throw error
      errors.push(error)
    }
  if (errors.length === 0) return words
  throw new Error([...errors.map(messageOf), ...words].join('; '), { cause: errors[0] })
}
