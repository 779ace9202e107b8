/** Authorization: settings, sources, and the rules of the built-in one. */
import {
  badRequest,
  type Call,
  crash,
  descending,
  type Handler,
  invalid,
  isFields,
  NO_CONTENT,
  ok,
  pageOf,
  problem,
  type Reply,
  type Routes,
} from './http.ts'
import type { Fields, State } from './state.ts'

const BUILT_IN = 'built_in_database'
const source = (state: State, type: string | undefined): Fields | undefined =>
  state.sources.find((one) => one.type === type)
const noSource = (type: string | undefined): Reply => problem(404, 'NOT_FOUND', `Not found: ${type}`)
const NO_RECORD = problem(404, 'NOT_FOUND', 'Not Found')

const putSettings = ({ state, body }: Call): Reply => {
  const given = body as Fields
  const missing = ['cache', 'deny_action', 'no_match'].find((key) => given[key] === undefined)
  if (missing !== undefined) return invalid('required_field', missing)
  if (!['allow', 'deny'].includes(String(given.no_match))) return invalid('not_a_enum_symbol', 'no_match')
  const { no_match, deny_action } = given
  state.settings = { cache: { excludes: [], ...(given.cache as Fields) }, deny_action, no_match }
  return ok(state.settings)
}

const withDefaults = (body: Fields): Fields =>
  body.type === BUILT_IN ? { max_rules: 100, enable: true, ...body } : { enable: true, ...body }

const addSource = ({ state, body }: Call): Reply => {
  const given = body as Fields
  if (!['file', 'http', BUILT_IN].includes(String(given.type))) return invalid('unknown_authz_type', 'root')
  if (source(state, String(given.type))) return badRequest(`{duplicated_authz_source_type,${given.type}}`)
  state.sources.unshift(withDefaults(given))
  return NO_CONTENT
}

const putSource = ({ state, args: [type], body }: Call): Reply => {
  const have = source(state, type)
  if (!have) return noSource(type)
  if (type === 'file' && (body as Fields).rules === undefined) return invalid('required_field', 'root.rules')
  state.sources[state.sources.indexOf(have)] = withDefaults(body as Fields)
  return NO_CONTENT
}

const deleteSource = ({ state, args: [type] }: Call): Reply => {
  if (!source(state, type)) return noSource(type)
  state.sources = state.sources.filter((one) => one.type !== type)
  if (type === BUILT_IN) {
    state.userRules.clear()
    state.clientRules.clear()
    state.allRules = []
  }
  return NO_CONTENT
}

const moveSource = ({ state, args: [type], body }: Call): Reply => {
  const have = source(state, type)
  if (!have) return badRequest('{pre_config_update,emqx_authz,{not_found_source,type}}')
  if ((body as Fields).position !== 'front') return badRequest('<<"Invalid parameter. Unknow position">>')
  state.sources = [have, ...state.sources.filter((one) => one !== have)]
  return NO_CONTENT
}

const SYMBOLS = { permission: ['allow', 'deny'], action: ['publish', 'subscribe', 'all'] } as const

const ruleFault = (rule: Fields, path: string): Reply | undefined => {
  for (const key of ['topic', 'permission', 'action'])
    if (rule[key] === undefined) return invalid('required_field', `${path}.${key}`)
  for (const [key, symbols] of Object.entries(SYMBOLS))
    if (!(symbols as readonly unknown[]).includes(rule[key])) return invalid('not_a_enum_symbol', `${path}.${key}`)
  const unknown = Object.keys(rule).find((key) => !['topic', 'permission', 'action', 'qos', 'retain'].includes(key))
  return unknown === undefined
    ? undefined
    : badRequest({ unknown, reason: 'unknown_fields', path, kind: 'validation_error' })
}

const recordFault = (state: State, entry: Fields, path: string, name: string): Reply | undefined => {
  if (entry[name] === undefined) return invalid('required_field', `${path}.${name}`)
  const rules = (entry.rules ?? []) as Fields[]
  const fault = rules.map((rule, i) => ruleFault(rule, `${path}.rules.${i + 1}`)).find((one) => one !== undefined)
  if (fault) return fault
  const isMany = rules.length > Number(source(state, BUILT_IN)?.max_rules)
  return isMany ? badRequest(`The rules length of User '${entry[name]}' exceeds the maximum limit.`) : undefined
}

const shownRules = (rules: unknown): Fields[] =>
  ((rules ?? []) as Fields[]).map((rule) => ({ qos: [0, 1, 2], retain: 'all', ...rule }))

/** Routes of records by user name or by client id. */
const records = (kind: 'users' | 'clients', name: 'username' | 'clientid'): Routes => {
  const mapOf = (state: State) => (kind === 'users' ? state.userRules : state.clientRules) as Map<string, Fields>
  const guarded =
    (handler: Handler): Handler =>
    (call) =>
      source(call.state, BUILT_IN) ? handler(call) : noSource(BUILT_IN)
  const store = (state: State, entry: Fields): void =>
    void mapOf(state).set(String(entry[name]), { [name]: entry[name], rules: shownRules(entry.rules) })
  const base = `authorization/sources/${BUILT_IN}/rules/${kind}`
  return {
    [`GET ${base}`]: guarded(({ state, query }) => {
      const like = query.get(`like_${name}`)
      const all = descending(mapOf(state)).filter((one) => like === null || String(one[name]).includes(like))
      return pageOf(all, query, { fuzzy: like !== null })
    }),
    [`POST ${base}`]: guarded(({ state, body }) => {
      if (!Array.isArray(body))
        return badRequest({ path: 'root', kind: 'validation_error', bad_array_index_keys: Object.keys(body as Fields) })
      const fault = body
        .map((entry, i) => recordFault(state, entry, `root.${i + 1}`, name))
        .find((one) => one !== undefined)
      if (fault) return fault
      const there = body.find((entry) => mapOf(state).has(entry[name]))
      if (there) return problem(409, 'ALREADY_EXISTS', `User '${there[name]}' already exist`)
      for (const entry of body) store(state, entry)
      return NO_CONTENT
    }),
    [`GET ${base}/*`]: guarded(({ state, args: [who = ''] }) => {
      const have = mapOf(state).get(who)
      return have ? ok(have) : NO_RECORD
    }),
    [`PUT ${base}/*`]: guarded(({ state, args: [who], body }) => {
      const fault = recordFault(state, body as Fields, 'root', name)
      if (fault) return fault
      if ((body as Fields)[name] !== who) return crash('Basic c2VjcmV0')
      store(state, body as Fields)
      return NO_CONTENT
    }),
    [`DELETE ${base}/*`]: guarded(({ state, args: [who = ''] }) =>
      mapOf(state).delete(who)
        ? NO_CONTENT
        : problem(404, 'NOT_FOUND', kind === 'users' ? 'Username Not Found' : 'ClientID Not Found'),
    ),
  }
}

const ALL = `authorization/sources/${BUILT_IN}/rules/all`

export const authorizationRoutes: Routes = {
  'GET authorization/settings': ({ state }) => ok(state.settings),
  'PUT authorization/settings': putSettings,
  'GET authorization/sources': ({ state }) => ok({ sources: state.sources }),
  'POST authorization/sources': addSource,
  'GET authorization/sources/*': ({ state, args: [type] }) =>
    source(state, type) ? ok(source(state, type)) : noSource(type),
  'PUT authorization/sources/*': putSource,
  'DELETE authorization/sources/*': deleteSource,
  'POST authorization/sources/*/move': moveSource,
  'DELETE authorization/cache': () => NO_CONTENT,
  ...records('users', 'username'),
  ...records('clients', 'clientid'),
  [`GET ${ALL}`]: ({ state }) => (source(state, BUILT_IN) ? ok({ rules: state.allRules }) : noSource(BUILT_IN)),
  [`POST ${ALL}`]: ({ state, body }) => {
    if (!isFields(body) || body.rules === undefined) return crash('Basic c2VjcmV0')
    state.allRules = shownRules(body.rules)
    return NO_CONTENT
  },
  [`DELETE ${ALL}`]: ({ state }) => {
    state.allRules = []
    return NO_CONTENT
  },
}
