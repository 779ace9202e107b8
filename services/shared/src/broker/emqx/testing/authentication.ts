/** Authenticators, their users, and imports of users. */
import {
  badRequest,
  type Call,
  descending,
  invalid,
  isFields,
  NO_CONTENT,
  ok,
  pageOf,
  problem,
  type Reply,
  type Routes,
} from './http.ts'
import type { Fields, State, StoredUser } from './state.ts'

const idOf = ({ mechanism, backend }: Fields): string =>
  backend === undefined ? String(mechanism) : `${mechanism}:${backend}`
const find = (state: State, id: string | undefined): Fields | undefined =>
  state.authenticators.find((one) => one.id === id)
const noAuthenticator = (id: string | undefined): Reply =>
  problem(404, 'NOT_FOUND', `Authenticator '${id}' does not exist`)
const NO_CHAIN = problem(404, 'NOT_FOUND', "Authenticator not found in the 'global' scope")
const NO_USER = problem(404, 'NOT_FOUND', 'User not found')

const FIELDS = [
  'mechanism',
  'backend',
  'enable',
  'user_id_type',
  'password_hash_algorithm',
  'bootstrap_file',
  'bootstrap_type',
  'id',
]

const faultOf = (body: Fields): Reply | undefined => {
  if (body.mechanism === undefined) return invalid('missing_mechanism_field', 'root')
  if (body.mechanism === 'jwt') return undefined
  if (body.backend !== 'built_in_database') return invalid('unsupported_mechanism', 'root')
  const unknown = Object.keys(body).find((key) => !FIELDS.includes(key))
  if (unknown !== undefined)
    return badRequest({ unknown, reason: 'unknown_fields', path: 'root', kind: 'validation_error' })
  const algorithm = body.password_hash_algorithm
  return isFields(algorithm) && algorithm.name !== undefined
    ? undefined
    : invalid('required_field', 'root.password_hash_algorithm.name')
}

const complete = (body: Fields): Fields => ({
  backend: 'built_in_database',
  bootstrap_file: '$' + '{EMQX_ETC_DIR}/auth-built-in-db-bootstrap.csv',
  bootstrap_type: 'plain',
  enable: true,
  user_id_type: 'username',
  ...body,
  id: idOf(body),
})

const create = ({ state, body }: Call): Reply => {
  if (!isFields(body)) return badRequest('Invalid json message received')
  const fault = faultOf(body)
  if (fault) return fault
  if (find(state, idOf(body))) return problem(409, 'ALREADY_EXISTS', `Authenticator '${idOf(body)}' already exist`)
  state.authenticators.push(complete(body))
  return ok(complete(body))
}

const update = ({ state, args: [id], body }: Call): Reply => {
  const have = find(state, id)
  if (!have) return noAuthenticator(id)
  const fault = isFields(body) ? faultOf(body) : badRequest('Invalid json message received')
  if (fault) return fault
  state.authenticators[state.authenticators.indexOf(have)] = complete(body as Fields)
  return NO_CONTENT
}

const shown = ({ is_superuser, user_id }: StoredUser) => ({ is_superuser, user_id })

const listUsers = ({ state, args: [id], query }: Call): Reply => {
  if (!find(state, id)) return NO_CHAIN
  const like = query.get('like_user_id')
  const users = descending(state.users).filter((user) => like === null || user.user_id.includes(like))
  return pageOf(users.map(shown), query, { fuzzy: like !== null })
}

const addUser = ({ state, args: [id], body }: Call): Reply => {
  if (!find(state, id)) return NO_CHAIN
  const {
    user_id,
    is_superuser = false,
    password,
  } = body as { user_id: string; is_superuser?: boolean; password?: string }
  if (password === undefined) return invalid('required_field', 'root.password')
  if (state.users.has(user_id)) return problem(409, 'ALREADY_EXISTS', 'User already exists')
  state.users.set(user_id, { user_id, is_superuser })
  return { status: 201, body: { user_id, is_superuser } }
}

const rowFault = (row: unknown): Reply | undefined => {
  if (!isFields(row) || typeof row.user_id !== 'string') return badRequest('bad_format')
  return typeof row.password_hash === 'string' ? undefined : badRequest('"hash_import_requires_password_hash_field"')
}

const stored = ({ user_id, password_hash, salt = '', is_superuser = false }: Fields): StoredUser =>
  ({ user_id, password_hash, salt, is_superuser }) as StoredUser

const importFault = (body: unknown): Reply | undefined => {
  if (body === undefined) return badRequest('Missing required parameter: filename')
  if (!Array.isArray(body)) return badRequest('bad_format')
  return body.length === 0 ? badRequest('empty_users') : body.map(rowFault).find((one) => one !== undefined)
}

const outcomeOf = (have: StoredUser | undefined, user: StoredUser): 'success' | 'skipped' | 'override' => {
  if (have === undefined) return 'success'
  return JSON.stringify(have) === JSON.stringify(user) ? 'skipped' : 'override'
}

const importUsers = ({ state, args: [id], body }: Call): Reply => {
  if (!find(state, id)) return noAuthenticator(id)
  const fault = importFault(body)
  if (fault) return fault
  const users = (body as Fields[]).map(stored)
  const counts = { failed: 0, override: 0, skipped: 0, success: 0, total: users.length }
  for (const user of users) {
    counts[outcomeOf(state.users.get(user.user_id), user)]++
    state.users.set(user.user_id, user)
  }
  return ok(counts)
}

const moveToFront = ({ state, args: [id] }: Call): Reply => {
  const have = find(state, id)
  if (!have) return noAuthenticator(id)
  state.authenticators = [have, ...state.authenticators.filter((one) => one !== have)]
  return NO_CONTENT
}

export const authenticationRoutes: Routes = {
  'GET authentication': ({ state }) => ok(state.authenticators),
  'POST authentication': create,
  'GET authentication/*': ({ state, args: [id] }) => (find(state, id) ? ok(find(state, id)) : noAuthenticator(id)),
  'PUT authentication/*': update,
  'DELETE authentication/*': ({ state, args: [id] }) => {
    if (!find(state, id)) return NO_CHAIN
    state.authenticators = state.authenticators.filter((one) => one.id !== id)
    state.users.clear()
    return NO_CONTENT
  },
  'PUT authentication/*/position/front': moveToFront,
  'GET authentication/*/users': listUsers,
  'POST authentication/*/users': addUser,
  'GET authentication/*/users/*': ({ state, args: [id, name = ''] }) => {
    const user = state.users.get(name)
    if (!find(state, id)) return NO_CHAIN
    return user ? ok(shown(user)) : NO_USER
  },
  'DELETE authentication/*/users/*': ({ state, args: [id, name = ''] }) => {
    if (!find(state, id)) return NO_CHAIN
    return state.users.delete(name) ? NO_CONTENT : NO_USER
  },
  'POST authentication/*/import_users': importUsers,
}
