/** Bans, sessions, the global zone, listeners and metrics. */
import type { Ban } from '../api.ts'
import {
  badRequest,
  type Call,
  invalid,
  isFields,
  NO_CONTENT,
  ok,
  pageOf,
  problem,
  type Reply,
  type Routes,
} from './http.ts'
import { type Fields, NODE, type State, type TestSession } from './state.ts'

const NO_CLIENT = problem(404, 'CLIENTID_NOT_FOUND', 'Client ID not found')

const addBan = ({ state, body }: Call): Reply => {
  const given = body as Fields
  const kinds = ['clientid', 'username', 'peerhost', 'clientid_re', 'username_re', 'peerhost_net']
  if (!kinds.includes(String(given.as))) return invalid('not_a_enum_symbol', 'root.as')
  const there = state.bans.find(({ as, who }) => as === given.as && who === given.who)
  if (there) return problem(400, 'ALREADY_EXISTS', JSON.stringify(there))
  const whole = { at: '2026-11-21T03:10:27+00:00', by: 'mgmt_api', reason: '', until: 'infinity', ...given }
  const ban = whole as Fields as Ban & Fields
  state.bans.unshift(ban)
  if (ban.as === 'clientid') state.sessions.delete(ban.who)
  return ok(ban)
}

const listBans = ({ state, query }: Call): Reply => {
  const filter = ['clientid', 'username'].find((as) => query.has(as))
  if (filter === undefined) return pageOf(state.bans, query, { hasnext: 'left out' })
  return pageOf(
    state.bans.filter(({ as, who }) => as === filter && who === query.get(filter)),
    query,
  )
}

const deleteBan = ({ state, args: [as, who] }: Call): Reply => {
  const left = state.bans.filter((ban) => ban.as !== as || ban.who !== who)
  if (left.length === state.bans.length) return problem(404, 'NOT_FOUND', `${as}: ${who} not found`)
  state.bans = left
  return NO_CONTENT
}

const shownSession = ({ subscriptions, ...session }: TestSession): Fields => ({
  ...session,
  node: NODE,
  subscriptions_cnt: subscriptions.length,
  mqueue_dropped: 0,
})

const listSessions = ({ state, query }: Call): Reply => {
  const like = query.get('like_clientid')
  const [ids, users] = [query.getAll('clientid'), query.getAll('username')]
  const found = [...state.sessions.values()].filter(
    ({ clientid, username }) =>
      (ids.length === 0 || ids.includes(clientid)) &&
      (users.length === 0 || users.includes(username)) &&
      (like === null || clientid.includes(like)),
  )
  const fields = query.get('fields')?.split(',')
  const data = found
    .map(shownSession)
    .map((one) => (fields ? Object.fromEntries(fields.map((key) => [key, one[key]])) : one))
  return pageOf(data, query, { fuzzy: like !== null, hasnext: 'full page' })
}

const subscriptionsOf = ({ state, args: [id = ''] }: Call): Reply => {
  const session = state.sessions.get(id)
  const rest = { clientid: id, durable: false, nl: 0, node: NODE, qos: 1, rap: 0, rh: 0 }
  return session ? ok(session.subscriptions.map((topic) => ({ ...rest, topic }))) : NO_CLIENT
}

const unsubscribe = ({ state, args: [id = ''], body }: Call): Reply => {
  const session = state.sessions.get(id)
  if (!session) return NO_CLIENT
  const at = session.subscriptions.indexOf(String((body as Fields).topic))
  if (at >= 0) session.subscriptions.splice(at, 1)
  return NO_CONTENT
}

const kickAll = ({ state, body }: Call): Reply => {
  if (!Array.isArray(body))
    return badRequest({ path: 'root', kind: 'validation_error', bad_array_index_keys: Object.keys(body as Fields) })
  for (const id of body) state.sessions.delete(id)
  return NO_CONTENT
}

const zoneFault = (state: State, body: Fields): Reply | undefined => {
  const missing = ['flapping_detect', 'force_shutdown', 'force_gc', 'mqtt'].find((root) => body[root] === undefined)
  if (missing !== undefined) return invalid('required_field', missing)
  const unknown = Object.keys(body).find((root) => state.zone[root] === undefined)
  if (unknown !== undefined) return problem(500, 'INTERNAL_ERROR', `error, {badkey,<<"${unknown}">>}, []`)
  const inflight = Number((body.mqtt as Fields).max_inflight ?? 1)
  const expected = { expected: '1..65535' }
  return inflight >= 1 && inflight <= 65_535
    ? undefined
    : badRequest({ value: inflight, reason: expected, path: 'mqtt.max_inflight', kind: 'validation_error' })
}

const putZone = ({ state, body }: Call): Reply => {
  const fault = isFields(body) ? zoneFault(state, body) : badRequest('Invalid json message received')
  if (fault) return fault
  const given = body as Record<string, Fields>
  state.zone = { ...given, mqtt: { ...state.zone.mqtt, ...given.mqtt } }
  return ok(state.zone)
}

const listed = ({ acceptors, bind, enable, id, type, running }: Fields): Fields => {
  const status = { current_connections: 0, max_connections: 'infinity', running }
  return {
    acceptors,
    bind,
    enable,
    id,
    name: String(id).split(':')[1],
    node_status: [{ node: NODE, status }],
    number: 1,
    status,
    type,
  }
}

const NO_LISTENER = problem(404, 'BAD_LISTENER_ID', 'Listener id not found')

const putListener = ({ state, args: [id = ''], body }: Call): Reply => {
  const have = state.listeners.get(id)
  if (!have) return NO_LISTENER
  const given = body as Fields
  if (given.id === undefined) return invalid('required_field', 'root.id')
  if (given.type !== have.type) return badRequest('listener_type_inconsistent')
  state.listeners.set(id, { ...have, ...given })
  return ok(state.listeners.get(id))
}

export const operationRoutes: Routes = {
  'GET nodes': () => ok([{ node: NODE, node_status: 'running', version: '5.8.9', edition: 'Opensource' }]),
  'GET banned': listBans,
  'POST banned': addBan,
  'DELETE banned/*/*': deleteBan,
  'GET clients': listSessions,
  'GET clients/*/subscriptions': subscriptionsOf,
  'POST clients/*/unsubscribe': unsubscribe,
  'POST clients/kickout/bulk': kickAll,
  'GET configs/global_zone': ({ state }) => ok(state.zone),
  'PUT configs/global_zone': putZone,
  'GET listeners': ({ state }) => ok([...state.listeners.values()].map(listed)),
  'GET listeners/*': ({ state, args: [id = ''] }) =>
    state.listeners.has(id) ? ok(state.listeners.get(id)) : NO_LISTENER,
  'PUT listeners/*': putListener,
  'GET metrics': ({ state, query }) =>
    ok(query.get('aggregate') === 'true' ? state.metrics : [{ ...state.metrics, node: NODE }]),
}
