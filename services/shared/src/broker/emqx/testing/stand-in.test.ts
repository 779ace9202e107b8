/**
 * The stand-in gives the answers that were recorded: each block of exchanges is asked again, from the state that it began
 * with.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Exchange, recordedExchanges, skipReason } from './recording.ts'
import { type EmqxStandIn, startEmqx } from './server.ts'
import { freshState } from './state.ts'

type Block = {
  readonly name: string
  readonly ids: string
  readonly prepare?: (emqx: EmqxStandIn, all: Map<string, Exchange>) => void
}

const builtIn = { enable: true, max_rules: 100, type: 'built_in_database' }

const withAuthenticator = (emqx: EmqxStandIn, all: Map<string, Exchange>): void =>
  void emqx.state.authenticators.push(all.get('authn-get')?.response.body as Record<string, unknown>)

const BLOCKS: readonly Block[] = [
  {
    name: 'keys, paths and pages',
    ids: 'auth-no-header auth-bad-key auth-bad-token unknown-path unknown-path-no-auth bad-json',
  },
  {
    name: 'the authenticator and its users',
    ids:
      'authn-list-empty authn-get-missing authn-users-list-no-authn authn-create-unknown-backend authn-create-unknown-field ' +
      'authn-create-sha256 authn-create-twice authn-list-one authn-get authn-get-raw-colon authn-update-disable authn-update-enable ' +
      'authn-update-partial authn-update-missing user-list-empty user-create user-create-duplicate user-create-no-password user-get ' +
      'user-get-missing user-create-slash user-get-slash user-list-bad-limit user-delete-missing authn-delete authn-delete-missing authn-create-pbkdf2 authn-create-defaults',
  },
  {
    name: 'imports of users',
    prepare: withAuthenticator,
    ids:
      'import-hash-json import-hash-json-again-identical import-hash-json-override user-get-after-override import-hash-json-upper-hex ' +
      'import-hash-json-no-salt import-hash-json-bad-row-first-good import-bad-row-nothing-written import-hash-json-missing-user-id ' +
      'import-hash-json-garbage-hash import-hash-json-empty import-hash-json-duplicate-in-file import-hash-json-extra-field import-type-missing ' +
      'import-object-not-array import-authn-missing import-no-body',
  },
  {
    name: 'settings and sources of authorization',
    ids:
      'authz-settings-get authz-settings-put authz-settings-put-partial authz-settings-get-after-partial authz-settings-put-bad-enum ' +
      'authz-settings-put-excludes authz-settings-get-2 authz-sources-list authz-source-file-get authz-source-get-missing ' +
      'authz-rules-list-no-source authz-rules-all-get-no-source authz-rules-post-no-source authz-source-add-unknown authz-source-add-builtin ' +
      'authz-source-add-builtin-twice authz-source-get-builtin authz-sources-list-two authz-source-move-front authz-sources-list-moved ' +
      'authz-source-move-bad-position authz-source-put-builtin-max-rules authz-source-get-builtin-max-rules authz-source-put-missing ' +
      'authz-source-file-put authz-source-file-get-after-put authz-source-file-put-no-rules authz-source-file-delete ' +
      'authz-source-file-delete-again authz-source-file-add authz-sources-list-end authz-cache-clean',
  },
  {
    name: 'rules of users, clients and all',
    prepare: ({ state }) => void state.sources.unshift({ ...builtIn, max_rules: 4_096 }),
    ids:
      'rules-users-list-empty rules-users-create rules-user-get rules-user-get-qos-retain rules-user-get-missing rules-users-create-duplicate ' +
      'rules-users-create-duplicate-none-written rules-users-create-same-twice rules-user-get-twice rules-user-put rules-user-put-new ' +
      'rules-user-put-mismatch rules-user-put-no-username rules-user-put-empty rules-user-get-empty rules-users-create-bad-action ' +
      'rules-users-create-bad-permission rules-users-create-no-topic rules-users-create-bad-filter rules-users-create-unknown-field ' +
      'rules-users-create-one-bad rules-users-create-one-bad-none-written rules-users-create-object rules-users-create-empty-array ' +
      'rules-user-put-slash rules-user-get-slash rules-user-delete rules-user-delete-missing ' +
      'rules-clients-create rules-clients-create-duplicate rules-client-get rules-client-get-missing rules-client-put rules-clients-list ' +
      'rules-client-delete rules-all-get-empty rules-all-post rules-all-post-again rules-all-get rules-all-post-bad rules-all-delete',
  },
  {
    name: 'bans',
    prepare: (emqx) => void emqx.session('ban-me'),
    ids:
      'banned-list-empty banned-add-clientid banned-add-duplicate banned-add-username banned-add-bad-as banned-add-minimal ' +
      'banned-add-until-infinity banned-list banned-list-username banned-delete banned-delete-missing',
  },
  {
    name: 'sessions',
    prepare: (emqx) => {
      emqx.session('gw-off', { username: 'alice', connected: false })
      emqx.session('gw-2', { username: 'bob' })
      emqx.session('gw-1', { username: 'alice', subscriptions: ['a/+', '$share/g/b'] })
    },
    ids:
      'clients-list-usernames clients-list-like-clientid clients-list-clientids client-subscriptions client-subscriptions-missing ' +
      'client-unsubscribe clients-kick-bulk clients-kick-bulk-empty clients-kick-bulk-bad paging-bad-limit paging-limit-too-big paging-page-zero',
  },
  {
    name: 'zone, listeners and metrics',
    ids:
      'global-zone-get global-zone-put-partial global-zone-put-peer-cert global-zone-put-mqtt-partial global-zone-put-bad ' +
      'global-zone-put-unknown-root listeners-list listener-get listener-get-missing listener-put-missing metrics metrics-per-node',
  },
]

const headersOf = (
  { headers, auth }: Exchange['request'],
  { key, secret }: EmqxStandIn['apiKey'],
): Record<string, string> => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  const ways = { none: {}, wrong: { authorization: basic('wrong:wrong') }, bearer: { authorization: 'Bearer x' } }
  return { ...headers, ...(auth === undefined ? { authorization: basic(`${key}:${secret}`) } : ways[auth]) }
}

const textOf = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body))

/** Keys and types of what we answer must be the recorded ones; of lists the first entries are compared. */
const sameShape = (ours: unknown, recorded: unknown, at: string): void => {
  if (Array.isArray(ours)) {
    assert.ok(Array.isArray(recorded), `${at}: a list`)
    if (ours.length > 0 && recorded.length > 0) sameShape(ours[0], recorded[0], `${at}[0]`)
    return
  }
  if (typeof ours !== 'object' || ours === null) {
    assert.equal(typeof ours, typeof recorded, at)
    return
  }
  const [mine, theirs] = [ours as Record<string, unknown>, recorded as Record<string, unknown>]
  for (const key of Object.keys(mine)) {
    assert.ok(theirs !== null && typeof theirs === 'object' && key in theirs, `${at}.${key}: not in the recording`)
    sameShape(mine[key], theirs[key], `${at}.${key}`)
  }
}

const codeOf = (body: unknown): unknown => (body as { code?: unknown } | null)?.code

const ask = (emqx: EmqxStandIn, { request }: Exchange): Promise<Response> =>
  fetch(`${emqx.url}${request.path}`, {
    method: request.method,
    headers: headersOf(request, emqx.apiKey),
    ...(request.body === null ? {} : { body: textOf(request.body) }),
  })

const replay = async (emqx: EmqxStandIn, exchange: Exchange): Promise<void> => {
  const { id, response } = exchange
  const answer = await ask(emqx, exchange)
  const text = await answer.text()
  assert.equal(answer.status, response.status, `${id}: ${text.slice(0, 200)}`)
  const type = answer.headers.get('content-type') ?? undefined
  if (text !== '') assert.equal(type, response.headers['content-type'], id)
  if (type !== 'application/json') return
  const body: unknown = JSON.parse(text)
  assert.equal(codeOf(body), codeOf(response.body), id)
  sameShape(body, response.body, id)
}

for (const { name, ids, prepare } of BLOCKS)
  test(`the stand-in answers as the recording does: ${name}`, { skip: skipReason }, async () => {
    const all = recordedExchanges()
    await using emqx = await startEmqx()
    prepare?.(emqx, all)
    for (const id of ids.split(' ')) {
      const exchange = all.get(id)
      assert.ok(exchange, `${id} is recorded`)
      await replay(emqx, exchange)
    }
  })

test('rules that the recording gives in full are given in full', { skip: skipReason }, async () => {
  const all = recordedExchanges()
  await using emqx = await startEmqx()
  emqx.state = { ...freshState(), sources: [{ ...builtIn, max_rules: 4_096 }] }
  await ask(emqx, all.get('rules-users-create') as Exchange)
  for (const id of ['rules-user-get', 'rules-user-get-qos-retain']) {
    const exchange = all.get(id) as Exchange
    assert.deepEqual(await (await ask(emqx, exchange)).json(), exchange.response.body, id)
  }
})
