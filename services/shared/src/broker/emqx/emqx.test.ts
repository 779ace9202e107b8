import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashSecret } from '../../registry/secret.ts'
import { MAX_BODY_BYTES } from './api.ts'
import { ACL, account, connectTo, startBroker } from './testing/adapter.ts'
import { openapiCheck } from './testing/openapi.ts'
import { recordedApi, skipReason } from './testing/recording.ts'
import { startEmqx } from './testing/server.ts'

const COUNT = 1_000
const NO_ACL = { publish: [], subscribe: [] }

test('thousands of accounts are restored from their hashes, listed and given other rights', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const hash = hashSecret('one for all')
  const accounts = Array.from({ length: COUNT }, (_, i) =>
    account(`coldchain.device-${i}`, {
      acl: {
        publish: [`fleets/coldchain/reefers/device-${i}/telemetry`],
        subscribe: [`fleets/coldchain/reefers/device-${i}/commands`],
      },
      secret: { hash },
    }),
  )
  const results = await broker.put(accounts)
  assert.ok(results.every(({ error }) => error === undefined))
  assert.equal((await broker.list()).size, COUNT)
  const sent = emqx.asked.map(({ bytes }) => bytes)
  assert.ok(Math.max(...sent) < MAX_BODY_BYTES + 1_000)
  const acls = accounts.slice(0, 100).map(({ username }) => ({ username, acl: ACL }))
  assert.ok((await broker.setAcl(acls)).every(({ error }) => error === undefined))
})

test('lists are read to their end where EMQX counts nothing, and where the last page says there is another', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d')])
  for (let i = 0; i < 10_000; i++)
    emqx.state.bans.push({ as: 'clientid', who: `x${i}`, by: 'someone', until: 'infinity' })
  emqx.state.bans.push({ as: 'clientid', who: 'ns.d', by: 'fleetloom:fleetloom', until: 'infinity' })
  assert.equal((await broker.list()).get('ns.d')?.disabled, true)
})

test('every request is one that EMQX 5.8.9 describes', { skip: skipReason }, async () => {
  await using emqx = await startEmqx()
  await using broker = connectTo(emqx, { limits: { messagesRate: '100/s' } })
  const { listeners } = emqx.state
  listeners.set('tcp:default', { ...listeners.get('tcp:default'), enable_authn: false })
  await broker.secureDefaults()
  emqx.state.authenticators = [
    { id: 'jwt', mechanism: 'jwt', enable: true },
    { ...emqx.state.authenticators[0], enable: false },
  ]
  emqx.state.sources.reverse()
  emqx.state.sources[1] = { ...emqx.state.sources[1], enable: false }
  await broker.secureDefaults()
  await broker.put([account('ns.a'), account('ns.b', { disabled: true })])
  emqx.state.clientRules.set('ns.a', { clientid: 'ns.a', rules: [] })
  for (const name of ['ns.a', 'ns.b', 'fleetloom_ingest_ns_f_0'])
    emqx.session(name, { subscriptions: [...ACL.subscribe] })
  await broker.setAcl([{ username: 'ns.a', acl: NO_ACL }])
  await broker.setDisabled('ns.a', true)
  await broker.setDisabled('ns.a', false)
  emqx.session('ns.a')
  await broker.kick('ns.a')
  await broker.list()
  await broker.ping()
  broker.counters()
  await countersOf(broker)
  await broker.remove(['ns.a', 'ns.b'])
  const check = openapiCheck(recordedApi())
  assert.deepEqual([...new Set(emqx.asked.flatMap(check))], [])
  const kinds = new Set(emqx.asked.map(({ method, path }) => `${method} ${path.split('/')[0]}`))
  assert.equal(kinds.size, 18, [...kinds].join(', '))
})

test('the counters are what ingest’s sessions hold and what all have lost', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  emqx.session('fleetloom_ingest_ns_f_0', { mqueue_len: 40, inflight_cnt: 2 })
  emqx.session('fleetloom_ingest_ns_g_0', { mqueue_len: 8 })
  emqx.session('other-fleetloom_ingest_x', { mqueue_len: 1_000 })
  emqx.session('ns.d', { mqueue_len: 5 })
  Object.assign(emqx.state.metrics, {
    'delivery.dropped.queue_full': 3,
    'delivery.dropped.expired': 1,
    'delivery.dropped.no_local': 9,
  })
  assert.equal(broker.counters(), undefined)
  assert.deepEqual(await countersOf(broker), { queuedMessages: 50, droppedMessages: 4 })
})

const countersOf = async (broker: Awaited<ReturnType<typeof startBroker>>['broker']) => {
  const end = performance.now() + 5_000
  while (broker.counters() === undefined && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 10))
  return broker.counters()
}

test('a broker that is away is an error on each call and is found again', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  emqx.faults.push({ kind: 'reset' })
  await assert.rejects(broker.ping(), { name: 'BrokerUnavailable' })
  emqx.faults.length = 0
  await broker.ping()
})

test('a ping is not satisfied by a broker whose database does not answer yet', async () => {
  await using pair = await startBroker()
  pair.emqx.faults.push({ kind: 'unavailable', on: /users/ })
  await assert.rejects(pair.broker.ping(), { name: 'BrokerUnavailable', message: /503/ })
})
