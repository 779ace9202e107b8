import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDevice } from '@fleetloom/shared/registry/registry'
import { RefusedCertificates } from './refused.ts'
import { aDevice, aListed, NOW } from './testing.ts'

const REVOKED_AT = '2026-01-30T00:00:00.000Z'

test('what was revoked is refused until it expires, and all of a disabled device while it is disabled', () => {
  const refused = new RefusedCertificates()
  const revoked = aListed('01', { revokedAt: REVOKED_AT })
  const expired = aListed('02', { revokedAt: REVOKED_AT, notAfter: '2026-01-31T00:00:00.000Z' })
  const good = aListed('03')
  refused.put(aDevice({ device: 'a', certificates: [revoked, expired, good] }))
  refused.put(aDevice({ device: 'b', certificates: [aListed('00')], disabled: true }))
  const first = { serial: '01', since: new Date(REVOKED_AT), reason: 'unspecified' }
  const held = { serial: '00', since: NOW, reason: 'certificateHold' }
  const listed = () => refused.list(NOW).map(({ serial, since, reason }) => ({ serial, since, reason }))
  assert.deepEqual(listed(), [held, first])
  refused.put(aDevice({ device: 'b', certificates: [aListed('00')] }))
  assert.deepEqual(listed(), [first])
})

test('a removed device, and one registered anew over it, leave what was revoked on the list', () => {
  const refused = new RefusedCertificates()
  const certificates = [aListed('01', { revokedAt: REVOKED_AT })]
  refused.put(aDevice({ certificates, removedAt: REVOKED_AT }))
  refused.put(aDevice({ certificates, fleet: 'another' }))
  assert.deepEqual(
    refused.list(NOW).map(({ serial }) => serial),
    ['01'],
  )
})

test('a serial number that is none never gets on the list: brokers pass over a list that they can’t read', () => {
  const bad = aDevice({ certificates: [aListed('no number', { revokedAt: REVOKED_AT })] })
  assert.equal(parseDevice(Buffer.from(JSON.stringify(bad))), undefined)
  const good = aDevice({ certificates: [aListed('01ab', { revokedAt: REVOKED_AT })] })
  assert.deepEqual(parseDevice(Buffer.from(JSON.stringify(good))), good)
})

test('the version moves only when something is or was to be refused', () => {
  const refused = new RefusedCertificates()
  refused.put(aDevice({ certificates: [aListed('01')] }))
  assert.equal(refused.version, 0)
  refused.put(aDevice({ certificates: [aListed('01', { revokedAt: REVOKED_AT })] }))
  assert.equal(refused.version, 1)
  refused.put(aDevice({}))
  assert.deepEqual([refused.version, refused.list(NOW)], [2, []])
})
