import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AUTHENTICATOR } from './api.ts'
import { allowsAll, EVERYBODY, HASH_ALGORITHM } from './defaults.ts'
import { connectTo } from './testing/adapter.ts'
import { type EmqxStandIn, startEmqx } from './testing/server.ts'
import type { Fields } from './testing/state.ts'

const writes = ({ asked }: EmqxStandIn): string[] =>
  asked.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${decodeURIComponent(path)}`)

/** Whether anybody may connect: no authenticator that is on. */
const isOpen = ({ state }: EmqxStandIn): boolean => !state.authenticators.some(({ enable }) => enable === true)

/** Whether a client that has no rules of its own may do anything. */
const allowsStrangers = ({ state }: EmqxStandIn): boolean => {
  const first = state.sources.find(({ enable }) => enable === true)
  if (
    first?.type === 'built_in_database' &&
    state.allRules.some(({ topic, permission }) => topic === '#' && permission === 'deny')
  )
    return false
  return first?.type === 'file' ? allowsAll(String(first.rules)) : state.settings.no_match === 'allow'
}

test('a broker as it comes is closed, door by door, and each is told', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  assert.deepEqual(await broker.secureDefaults(), [
    'broker had no password authenticator; made one',
    'broker zone: mqtt.use_username_as_clientid was false, is now true',
    'broker zone: mqtt.shared_subscription_strategy was round_robin, is now hash_topic',
    'broker zone: mqtt.max_inflight was 32, is now 8192',
    'broker zone: mqtt.max_mqueue_len was 1000, is now 1000000',
    'broker zone: force_shutdown.max_heap_size was 32MB, is now 1954MB',
    'broker zone: force_shutdown.max_mailbox_size was 1000, is now 1000000',
    'broker rule for what no other matches was allow, is now deny',
    'broker cached what is allowed; does not any more',
    'broker had no source of rules for users; made one',
    'broker rules for everybody were none; now deny all',
    'broker file of rules allowed everything to everybody; is now off',
  ])
  const { state } = emqx
  assert.deepEqual(state.authenticators[0]?.password_hash_algorithm, HASH_ALGORITHM)
  assert.deepEqual(state.settings, {
    cache: { enable: false, excludes: [], max_size: 32, ttl: '1m' },
    deny_action: 'ignore',
    no_match: 'deny',
  })
  assert.deepEqual(
    state.sources.map(({ type, enable }) => [type, enable]),
    [
      ['built_in_database', true],
      ['file', false],
    ],
  )
  assert.deepEqual(
    state.allRules.map(({ topic }) => topic),
    EVERYBODY.map(({ topic }) => topic),
  )
  assert.equal(state.zone.mqtt?.mqueue_store_qos0, true)
})

test('a second call writes nothing', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  await broker.secureDefaults()
  emqx.asked.length = 0
  assert.deepEqual(await broker.secureDefaults(), [])
  assert.deepEqual(writes(emqx), [])
})

test('a door that was closed is open at no moment after', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  const moments: { entry: boolean; rights: boolean }[] = []
  emqx.onDone = () => void moments.push({ entry: isOpen(emqx), rights: allowsStrangers(emqx) })
  await broker.secureDefaults()
  for (const door of ['entry', 'rights'] as const) {
    const closed = moments.findIndex((moment) => !moment[door])
    assert.ok(closed >= 0 && moments.slice(closed).every((moment) => !moment[door]), door)
  }
  assert.equal(writes(emqx)[0], 'POST authentication')
})

test('an only authenticator that is off lets everybody in, so it is turned on before all else', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  await broker.secureDefaults()
  const [have] = emqx.state.authenticators
  emqx.state.authenticators = [{ ...have, enable: false }]
  assert.deepEqual(await broker.secureDefaults(), ['broker authenticator was off: everybody got in; is now on'])
  assert.equal(isOpen(emqx), false)
})

test('what drifted is put right: order, settings, cache, rules for everybody, the file', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  await broker.secureDefaults()
  const { state } = emqx
  state.authenticators.unshift({ id: 'jwt', mechanism: 'jwt', enable: true })
  state.sources = [{ ...(state.sources[1] as Fields), enable: true }, state.sources[0] as Fields]
  state.settings = { ...state.settings, no_match: 'allow', deny_action: 'disconnect', cache: { enable: true } }
  state.allRules = [{ topic: '#', permission: 'allow', action: 'all' }]
  state.zone = {
    ...state.zone,
    mqtt: { ...state.zone.mqtt, use_username_as_clientid: false, max_mqueue_len: 'infinity' },
  }
  assert.equal((await broker.secureDefaults()).length, 9)
  assert.equal(state.authenticators[0]?.id, AUTHENTICATOR)
  assert.equal(state.sources[0]?.type, 'built_in_database')
  assert.equal(allowsStrangers(emqx), false)
  assert.equal(state.zone.mqtt?.use_username_as_clientid, true)
})

test('a queue without a bound gets one, and larger limits that somebody set stay', async () => {
  await using emqx = await startEmqx()
  emqx.state.zone.mqtt = { ...emqx.state.zone.mqtt, max_mqueue_len: 'infinity', max_inflight: 30_000 }
  await using broker = connectTo(emqx)
  await broker.secureDefaults()
  assert.equal(emqx.state.zone.mqtt?.max_mqueue_len, 1_000_000)
  assert.equal(emqx.state.zone.mqtt?.max_inflight, 30_000)
})

test('no expression makes client ids of its own: bans and ingest’s sessions go by the user name', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  await broker.secureDefaults()
  emqx.state.zone.mqtt = { ...emqx.state.zone.mqtt, clientid_override: 'random_str(8)' }
  assert.deepEqual(await broker.secureDefaults(), [
    'broker zone: mqtt.clientid_override was random_str(8), is now disabled',
  ])
  assert.equal(emqx.state.zone.mqtt?.clientid_override, 'disabled')
})

test('the expiry of old clients’ sessions is left as it is, or set where it means another time', async () => {
  await using emqx = await startEmqx()
  await using same = connectTo(emqx, { limits: { sessionExpiry: '120m' } })
  await same.secureDefaults()
  assert.equal(emqx.state.zone.mqtt?.session_expiry_interval, '2h')
  await using longer = connectTo(emqx, { limits: { sessionExpiry: '1d' } })
  assert.deepEqual(await longer.secureDefaults(), ['broker zone: mqtt.session_expiry_interval was 2h, is now 1d'])
})

test('with a zone of ingest’s own the global queues are left as they are', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx, { limits: { zone: 'static' } })
  await broker.secureDefaults()
  assert.equal(emqx.state.zone.mqtt?.max_mqueue_len, 1_000)
  assert.equal(emqx.state.zone.mqtt?.use_username_as_clientid, true)
})

test('an authenticator that hashes otherwise is changed while it has no users, and left alone when it has', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  await broker.secureDefaults()
  const other = { name: 'sha256', salt_position: 'suffix' }
  const spoil = () => {
    emqx.state.authenticators = [{ ...emqx.state.authenticators[0], password_hash_algorithm: other }]
  }
  spoil()
  assert.deepEqual(await broker.secureDefaults(), ['broker authenticator hashed with sha256, now as the registry does'])
  spoil()
  emqx.state.users.set('u', { user_id: 'u', is_superuser: false })
  await assert.rejects(broker.secureDefaults(), { message: /set password_hash_algorithm of its authenticator/ })
  assert.deepEqual(emqx.state.authenticators[0]?.password_hash_algorithm, other)
})

test('an authenticator that is off and can’t be given our hash is turned on all the same', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  await broker.secureDefaults()
  const other = { name: 'sha256', salt_position: 'suffix' }
  emqx.state.authenticators = [{ ...emqx.state.authenticators[0], enable: false, password_hash_algorithm: other }]
  emqx.state.users.set('u', { user_id: 'u', is_superuser: false })
  await assert.rejects(broker.secureDefaults(), { message: /set password_hash_algorithm of its authenticator/ })
  assert.equal(isOpen(emqx), false)
  assert.deepEqual(emqx.state.authenticators[0]?.password_hash_algorithm, other)
})

test('a door that can’t be closed leaves none of the others open', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  const other = { name: 'sha256', salt_position: 'suffix' }
  emqx.state.authenticators = [
    { id: AUTHENTICATOR, mechanism: 'password_based', backend: 'built_in_database', password_hash_algorithm: other },
  ]
  emqx.state.users.set('u', { user_id: 'u', is_superuser: false })
  const told = /set password_hash_algorithm.*broker rule for what no other matches was allow, is now deny/
  await assert.rejects(broker.secureDefaults(), { message: told })
  assert.equal(allowsStrangers(emqx), false)
  assert.equal(emqx.state.zone.mqtt?.use_username_as_clientid, true)
})

test('a listener that asks nobody for a password is closed, one that asks for a certificate is not', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  await broker.secureDefaults()
  const { listeners } = emqx.state
  listeners.set('tcp:default', { ...listeners.get('tcp:default'), enable_authn: false })
  const ssl_options = { verify: 'verify_peer', fail_if_no_peer_cert: true }
  listeners.set('ssl:default', { ...listeners.get('ssl:default'), enable_authn: false, ssl_options })
  emqx.state.zone.mqtt = { ...emqx.state.zone.mqtt, peer_cert_as_username: 'cn' }
  assert.deepEqual(await broker.secureDefaults(), [
    'broker listener tcp:default let everybody in; now asks for a password',
  ])
  assert.equal(listeners.get('ssl:default')?.enable_authn, false)
})

test('where a certificate stands for the password, the user name is the certificate’s', async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx)
  await broker.secureDefaults()
  assert.equal(emqx.state.zone.mqtt?.peer_cert_as_username, 'disabled')
  const { listeners } = emqx.state
  const ssl_options = { verify: 'verify_peer', fail_if_no_peer_cert: true }
  listeners.set('ssl:default', { ...listeners.get('ssl:default'), enable_authn: false, ssl_options })
  assert.deepEqual(await broker.secureDefaults(), ['broker zone: mqtt.peer_cert_as_username was disabled, is now cn'])
  assert.equal(emqx.state.zone.mqtt?.peer_cert_as_username, 'cn')
  assert.deepEqual(await broker.secureDefaults(), [])
})

test('a rate slows the listeners of the default zone only', async () => {
  await using emqx = await startEmqx()
  emqx.state.listeners.set('tcp:ingest', {
    ...emqx.state.listeners.get('tcp:default'),
    id: 'tcp:ingest',
    zone: 'ingest',
  })
  await using broker = connectTo(emqx, { limits: { messagesRate: '100/s' } })
  await broker.secureDefaults()
  const rates = [...emqx.state.listeners.values()].map(({ id, messages_rate }) => [id, messages_rate])
  assert.deepEqual(rates, [
    ['tcp:default', '100/s'],
    ['ssl:default', '100/s'],
    ['tcp:ingest', undefined],
  ])
  emqx.asked.length = 0
  assert.deepEqual(await broker.secureDefaults(), [])
})

test('two replicas that close the same door at once both succeed', async () => {
  await using emqx = await startEmqx()
  await using one = connectTo(emqx)
  await using two = connectTo(emqx)
  await Promise.all([one.secureDefaults(), two.secureDefaults()])
  assert.equal(emqx.state.authenticators.length, 1)
  assert.equal(emqx.state.sources.length, 2)
})

test('only a file that allows everything to everybody is turned off', () => {
  assert.equal(allowsAll('{allow, {username, "x"}, all, ["#"]}.\n{allow,all}.'), true)
  assert.equal(allowsAll('%% {allow, all}.\n{deny, all}.'), false)
})
