import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Condition } from '@fleetloom/crds/conditions'
import type { Acl, Broker } from '@fleetloom/shared/broker/broker'
import { startBroker } from '@fleetloom/shared/broker/emqx/testing/adapter'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { createLogger } from '@fleetloom/shared/process/logger'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import type { Entry } from '@fleetloom/shared/registry/registry'
import { hashSecret } from '@fleetloom/shared/registry/secret'
import { DeviceIndex } from '../../device-fleet/device-index.ts'
import { writeDocument } from '../../device-fleet/write-document.ts'
import type { Work } from '../../loop/kind.ts'
import type { Documents } from '../pipeline/documents.ts'
import { accountList } from './account-list.ts'
import { convergeDevices } from './devices.ts'

const FLEET = { namespace: 'coldchain', name: 'reefers' }
const GRANTS = {
  publish: ['fleets/coldchain/reefers/{device}/telemetry'],
  subscribe: ['fleets/coldchain/reefers/{device}/commands'],
}
const NOTHING: Acl = { publish: [], subscribe: [] }
const RIGHTS_OF_BACK: Acl = {
  publish: ['fleets/coldchain/reefers/back/telemetry'],
  subscribe: ['fleets/coldchain/reefers/back/commands'],
}
const HASH = hashSecret('a secret')
const OLD = '2026-01-01T00:00:00Z'

const device = (name: string, change: Partial<DeviceRecord> = {}): DeviceRecord => ({
  version: '1.0',
  namespace: FLEET.namespace,
  fleet: FLEET.name,
  device: name,
  type: '',
  labels: {},
  displayName: '',
  authentication: 'Password',
  certificates: [],
  disabled: false,
  secret: HASH,
  createdAt: OLD,
  updatedAt: OLD,
  ...change,
})

/** A registry whose entries a test changes under the operator's hands. */
class Records {
  readonly #entries = new Map<string, Entry>()
  reads = 0

  set(record: DeviceRecord): void {
    const revision = (this.#entries.get(record.device)?.revision ?? 0) + 1
    this.#entries.set(record.device, { record, revision })
  }

  get = async (_: string, name: string): Promise<Entry | undefined> => {
    this.reads++
    const entry = this.#entries.get(name)
    return entry?.record.removedAt === undefined ? entry : undefined
  }

  read = async (_: string, name: string): Promise<Entry | undefined> => this.#entries.get(name)
}

type Told = { readonly events: string[]; readonly reasons: string[]; writes: number }

const IN_PLACE = { type: 'BrokerReady', status: 'True', observedGeneration: 1 } as Condition

const workTelling = (told: Told): Work<unknown> =>
  ({
    resource: {
      kind: 'DeviceFleet',
      metadata: { ...FLEET, uid: 'u', generation: 1, finalizers: [], annotations: {} },
      spec: {},
    },
    log: createLogger('test', 'silent'),
    previous: () => IN_PLACE,
    event: async ({ reason, message }) => {
      told.events.push(message)
      told.reasons.push(reason)
    },
    wrote: () => void told.writes++,
  }) as Work<unknown>

const startOperator = (broker: Broker, devices: readonly DeviceRecord[], now: () => number = Date.now) => {
  const index = new DeviceIndex(() => undefined)
  const registry = new Records()
  for (const record of devices) {
    index.put(record)
    registry.set(record)
  }
  const deps = { broker, accounts: accountList(broker, now), devices: index, registry, now }
  const told: Told = { events: [], reasons: [], writes: 0 }
  const document = { ...FLEET, grants: GRANTS } as FleetDocument
  const converge = (grants = GRANTS) => convergeDevices(deps, workTelling(told), { ...document, grants })
  return { registry, told, deps, index, converge }
}

test('a broker that lost its whole database gets its devices back from the registry', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const devices = Array.from({ length: 1_000 }, (_, i) => device(`d${i}`, { disabled: i % 100 === 0 }))
  const { converge, told } = startOperator(broker, devices)
  await broker.put([
    { username: 'coldchain.d1', acl: { publish: [], subscribe: [] }, disabled: false, secret: { plain: 'x' } },
  ])
  emqx.loseDatabase()
  await broker.secureDefaults()
  await converge()
  const accounts = await broker.list()
  assert.equal(accounts.size, 1_000)
  assert.equal([...accounts.values()].filter(({ disabled }) => disabled).length, 10)
  assert.deepEqual(accounts.get('coldchain.d1')?.acl, {
    publish: ['fleets/coldchain/reefers/d1/telemetry'],
    subscribe: ['fleets/coldchain/reefers/d1/commands'],
  })
  assert.equal(told.writes, 1_000)
  assert.equal(told.events.length, 2, 'one event for each write of 500')
  assert.equal(emqx.state.users.get('coldchain.d1')?.password_hash, Buffer.from(HASH.hash, 'base64').toString('hex'))
})

test('a second look writes nothing', async () => {
  await using pair = await startBroker()
  const { converge } = startOperator(pair.broker, [device('a'), device('b', { disabled: true })])
  await converge()
  pair.emqx.asked.length = 0
  await converge()
  assert.deepEqual(
    pair.emqx.asked.filter(({ method }) => method !== 'GET'),
    [],
  )
})

test('a device that was removed before the write is not restored from the old index', async () => {
  await using pair = await startBroker()
  const { converge, registry } = startOperator(pair.broker, [device('a'), device('gone')])
  registry.set(device('gone', { removedAt: OLD }))
  await converge()
  assert.deepEqual([...(await pair.broker.list()).keys()], ['coldchain.a'])
})

test('what a removal left half-way is removed, a broken account of a device that is there is made anew', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const { converge } = startOperator(broker, [device('gone'), device('there')])
  await converge()
  for (const { user_id } of [...emqx.state.users.values()]) emqx.state.users.delete(user_id)
  emqx.asked.length = 0
  const after = startOperator(broker, [device('there')])
  after.registry.set(device('gone', { removedAt: OLD }))
  await after.converge()
  assert.deepEqual([...emqx.state.userRules.keys()], ['coldchain.there'])
  assert.deepEqual([...emqx.state.users.keys()], ['coldchain.there'])
})

test('a device that is removed, disabled or given a new secret while the write is under way ends as the registry says', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const { converge, registry } = startOperator(
    broker,
    ['kept', 'gone', 'shut', 'rotated'].map((name) => device(name)),
  )
  const fresh = hashSecret('another')
  let isDone = false
  emqx.onDone = ({ path }) => {
    if (isDone || !path.endsWith('import_users')) return
    isDone = true
    registry.set(device('gone', { removedAt: OLD }))
    registry.set(device('shut', { disabled: true }))
    registry.set(device('rotated', { secret: fresh }))
  }
  await converge()
  const accounts = await broker.list()
  assert.deepEqual([...accounts.keys()].sort(), ['coldchain.kept', 'coldchain.rotated', 'coldchain.shut'])
  assert.deepEqual(accounts.get('coldchain.shut'), {
    username: 'coldchain.shut',
    acl: { publish: [], subscribe: [] },
    disabled: true,
  })
  assert.equal(emqx.state.users.get('coldchain.rotated')?.salt, Buffer.from(fresh.salt, 'base64').toString())
})

test('an account that can not be made keeps none of the others out, and is told', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  emqx.state.users.set('coldchain.b', { user_id: 'coldchain.b', is_superuser: false })
  const { converge } = startOperator(
    broker,
    ['a', 'b', 'c'].map((name) => device(name)),
  )
  await assert.rejects(converge(), { message: /^broker account coldchain\.b: .*was not made by this installation/ })
  assert.deepEqual([...(await broker.list()).keys()].sort(), ['coldchain.a', 'coldchain.c'])
})

test('a device that was registered just now is left to the api, and looked at again', async () => {
  await using pair = await startBroker()
  const { converge } = startOperator(pair.broker, [device('new', { updatedAt: new Date().toISOString() })])
  assert.deepEqual(await converge(), { againMs: 2_000 })
  assert.equal((await pair.broker.list()).size, 0)
})

test('a device that was registered just before the accounts were read is not lost because the others took long', async () => {
  await using pair = await startBroker()
  const clock = { nowMs: Date.now() }
  const setAcl: Broker['setAcl'] = (wanted) => {
    clock.nowMs += 60_000
    return pair.broker.setAcl(wanted)
  }
  const isNew = device('new', { updatedAt: new Date(clock.nowMs - 1_000).toISOString() })
  const { converge } = startOperator({ ...pair.broker, setAcl }, [device('old'), isNew], () => clock.nowMs)
  await pair.broker.put([
    { username: 'coldchain.old', acl: { publish: [], subscribe: [] }, disabled: false, secret: { plain: 'x' } },
  ])
  assert.deepEqual(await converge(), { againMs: 2_000 })
  assert.deepEqual([...(await pair.broker.list()).keys()], ['coldchain.old'])
})

const account = (username: string, acl = NOTHING) => ({ username, acl, disabled: false, secret: { plain: 'x' } })

test('the account of a device that was removed just now loses its rights and is left to the api, as its id may be registered anew', async () => {
  await using pair = await startBroker()
  const { converge, registry } = startOperator(pair.broker, [])
  await pair.broker.put([account('coldchain.gone', { publish: ['t'], subscribe: ['t'] })])
  const justNow = new Date().toISOString()
  registry.set(device('gone', { removedAt: justNow, updatedAt: justNow }))
  assert.deepEqual(await converge(), { againMs: 10_000 })
  assert.deepEqual((await pair.broker.list()).get('coldchain.gone')?.acl, NOTHING)
  registry.set(device('gone', { removedAt: OLD }))
  assert.equal(await converge(), undefined)
  assert.equal((await pair.broker.list()).size, 0)
})

test('the api may be quicker to take the account of a removed device than the operator to take its rights', async () => {
  await using pair = await startBroker()
  const setAcl: Broker['setAcl'] = async (wanted) => {
    await pair.broker.remove(wanted.map(({ username }) => username))
    return pair.broker.setAcl(wanted)
  }
  const { converge, registry } = startOperator({ ...pair.broker, setAcl }, [])
  await pair.broker.put([account('coldchain.gone', { publish: ['t'], subscribe: ['t'] })])
  const justNow = new Date().toISOString()
  registry.set(device('gone', { removedAt: justNow, updatedAt: justNow }))
  assert.deepEqual(await converge(), { againMs: 10_000 })
  assert.equal((await pair.broker.list()).size, 0)
})

test('a device that has moved to another fleet keeps the rights it has there', async () => {
  await using pair = await startBroker()
  const { converge, registry } = startOperator(pair.broker, [device('moved')])
  await pair.broker.put([account('coldchain.moved')])
  registry.set(device('moved', { fleet: 'freezers' }))
  await converge()
  assert.deepEqual((await pair.broker.list()).get('coldchain.moved')?.acl, NOTHING)
})

test('a device that is enabled again is not shut out by what was planned before', async () => {
  await using pair = await startBroker()
  const { converge, registry } = startOperator(pair.broker, [device('back', { disabled: true })])
  await pair.broker.put([account('coldchain.back', RIGHTS_OF_BACK)])
  registry.set(device('back'))
  await converge()
  const back = (await pair.broker.list()).get('coldchain.back')
  assert.deepEqual([back?.acl, back?.disabled], [RIGHTS_OF_BACK, false])
})

test('what the api is just changing is no drift; what differs later is', async () => {
  await using pair = await startBroker()
  const { converge, told } = startOperator(pair.broker, [
    device('old'),
    device('new', { updatedAt: new Date().toISOString() }),
  ])
  await pair.broker.put([account('coldchain.old'), account('coldchain.new')])
  await converge()
  assert.deepEqual(told.reasons, ['Repaired', 'Updated'])
})

test('a device that is removed while others are changed is nobody’s fault', async () => {
  await using pair = await startBroker()
  const setAcl: Broker['setAcl'] = async (wanted) => {
    const gone = wanted.some(({ username }) => username === 'coldchain.gone')
    if (gone) await pair.broker.remove(['coldchain.gone'])
    if (gone) registry.set(device('gone', { removedAt: OLD }))
    return pair.broker.setAcl(wanted)
  }
  const { converge, registry } = startOperator({ ...pair.broker, setAcl }, [device('gone'), device('stays')])
  await pair.broker.put([account('coldchain.gone'), account('coldchain.stays')])
  await converge()
  const accounts = await pair.broker.list()
  assert.deepEqual([...accounts.keys()], ['coldchain.stays'])
  assert.deepEqual(accounts.get('coldchain.stays')?.acl.publish, ['fleets/coldchain/reefers/stays/telemetry'])
})

test('an account that the api made by the old grants, after the accounts were read, follows the new ones at once', async () => {
  await using pair = await startBroker()
  const { deps, index, registry, converge } = startOperator(pair.broker, [])
  await deps.accounts.get()
  const record = device('new', { updatedAt: new Date().toISOString() })
  registry.set(record)
  const none = { publish: [], subscribe: [] }
  await pair.broker.put([{ username: 'coldchain.new', acl: none, disabled: false, secret: { plain: 'x' } }])
  index.put(record)
  const before = { document: { ...FLEET, grants: none } as unknown as FleetDocument, revision: 1 }
  const documents = {
    write: async (document: FleetDocument) => ({ document, revision: 2 }),
  } as unknown as Documents<FleetDocument>
  await writeDocument({ ...deps, documents }, { ...before.document, grants: GRANTS }, before)
  assert.equal(await converge(), undefined)
  assert.deepEqual((await pair.broker.list()).get('coldchain.new')?.acl.publish, [
    'fleets/coldchain/reefers/new/telemetry',
  ])
})
