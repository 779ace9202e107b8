import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import { Known } from './known.ts'
import { fleetDocument, ruleDocument } from './testing.ts'

const KEY = 'fleet.cold.reefers'
const OTHER = 'fleet.cold.vans'

const start = () => {
  const told: string[] = []
  const known = new Known({
    onFleet: (key) => told.push(`fleet ${key}`),
    onRule: (key, { uid, generation }) => told.push(`rule ${key} ${uid} ${generation}`),
    onRuleGone: (key, uid) => told.push(`rule gone ${key} ${uid}`),
    onDevice: (key, device, labels) => told.push(`device ${key} ${device} ${JSON.stringify(labels)}`),
    onDeviceGone: (key, device) => told.push(`device gone ${key} ${device}`),
  })
  return { known, told }
}

const device = (changes: Partial<DeviceRecord> = {}): DeviceRecord => ({
  ...{ version: '1.0', namespace: 'cold', fleet: 'reefers', device: 'a', type: '', labels: {}, displayName: '' },
  ...{ disabled: false, authentication: 'Password', certificates: [], createdAt: '2026-01-01T00:00:00Z' },
  updatedAt: '2026-01-01T00:00:00Z',
  secret: { iterations: 1, salt: '', hash: '' },
  ...changes,
})

test('a device that changes its fleet leaves the one before it, and a tombstone removes it', () => {
  const { known, told } = start()
  known.putDevice(device())
  known.putDevice(device({ labels: { cargo: 'fruit' } }))
  known.putDevice(device({ fleet: 'vans' }))
  known.putDevice(device({ fleet: 'vans', removedAt: '2026-01-02T00:00:00Z' }))
  known.putDevice(device({ fleet: 'vans', removedAt: '2026-01-02T00:00:00Z' }))
  assert.deepEqual(told, [
    `device ${KEY} a {}`,
    `device ${KEY} a {"cargo":"fruit"}`,
    `device gone ${KEY} a`,
    `device ${OTHER} a {}`,
    `device gone ${OTHER} a`,
  ])
  assert.deepEqual([...known.keys()], [])
})

test('a rule of another UID, or of another fleet, is another rule', () => {
  const { known, told } = start()
  known.putRule(ruleDocument())
  known.putRule(ruleDocument({ generation: 2 }))
  known.putRule(ruleDocument({ uid: 'rule-2' }))
  known.putRule(ruleDocument({ uid: 'rule-2', fleet: 'vans', generation: 2 }))
  known.putRule(ruleDocument({ uid: 'rule-2', fleet: 'vans', generation: 2, phase: 'Removing' }))
  known.ruleGone({ namespace: 'cold', name: 'hot' })
  known.ruleGone({ namespace: 'cold', name: 'hot' })
  assert.deepEqual(told, [
    `rule ${KEY} rule-1 1`,
    `rule ${KEY} rule-1 2`,
    `rule gone ${KEY} rule-1`,
    `rule ${KEY} rule-2 1`,
    `rule gone ${KEY} rule-2`,
    `rule ${OTHER} rule-2 2`,
    `rule ${OTHER} rule-2 2`,
    `rule gone ${OTHER} rule-2`,
  ])
})

test('a rule whose document is lost stays in force until it is put back, or nobody did for ten minutes', () => {
  const { known, told } = start()
  const ref = { namespace: 'cold', name: 'hot' }
  known.putRule(ruleDocument())
  known.ruleGone(ref, 0)
  known.tick(599_999)
  assert.deepEqual([...known.of(KEY).rules.keys()], ['rule-1'])
  known.putRule(ruleDocument())
  known.tick(600_000)
  assert.deepEqual([...known.of(KEY).rules.keys()], ['rule-1'])
  known.ruleGone(ref, 600_000)
  known.tick(1_200_000)
  assert.deepEqual(told, [`rule ${KEY} rule-1 1`, `rule ${KEY} rule-1 1`, `rule gone ${KEY} rule-1`])
  assert.deepEqual([...known.keys()], [])
})

test('asking about a fleet that nobody knows leaves nothing behind; one that is gone is forgotten with its last device', () => {
  const { known, told } = start()
  assert.equal(known.of('fleet.cold.nobody').document, undefined)
  assert.equal(known.documentOf('fleet.cold.nobody'), undefined)
  known.putFleet(fleetDocument())
  known.putDevice(device())
  known.fleetGone({ namespace: 'cold', name: 'reefers' })
  assert.deepEqual([...known.keys()], [KEY])
  known.putDevice(device({ removedAt: '2026-01-02T00:00:00Z' }))
  assert.deepEqual([...known.keys()], [])
  assert.deepEqual(told, [`fleet ${KEY}`, `device ${KEY} a {}`, `fleet ${KEY}`, `device gone ${KEY} a`])
})
