import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_ACCESS } from '../broker/acl.ts'
import { deviceAccount, storedCredential } from './device-account.ts'
import { type DeviceRecord, deviceRecord } from './device-record.ts'
import { NO_SECRET } from './secret.ts'

const DOCUMENT = { grants: { publish: ['fleets/cold/trucks/{device}/telemetry'], subscribe: [] } }
const ACL = { publish: ['fleets/cold/trucks/t-1/telemetry'], subscribe: [] }
const AT = '2026-01-01T00:00:00.000Z'
const OLD_RECORD = {
  ...{ version: '1.0', namespace: 'cold', fleet: 'trucks', device: 't-1', type: '', labels: {}, displayName: '' },
  ...{ disabled: false, secret: NO_SECRET, createdAt: AT, updatedAt: AT },
}
const record = (change: Partial<DeviceRecord> = {}): DeviceRecord => deviceRecord.parse({ ...OLD_RECORD, ...change })
const certificate = { serial: '01', issuedAt: AT, notAfter: AT }
const revoked = { ...certificate, serial: '02', revokedAt: AT }

test('a record of before there were certificates is one with a password', () => {
  const { authentication, certificates } = record()
  assert.deepEqual({ authentication, certificates }, { authentication: 'Password', certificates: [] })
  assert.deepEqual(deviceAccount(DOCUMENT, record()), { username: 'cold.t-1', acl: ACL, disabled: false })
  assert.deepEqual(storedCredential(record()), { hash: NO_SECRET })
})

test('a device with certificates has rights while one is left that was not revoked, and is not disabled', () => {
  const account = (change: Partial<DeviceRecord>) =>
    deviceAccount(DOCUMENT, record({ authentication: 'Certificate', ...change }))
  const out = { username: 'cold.t-1', acl: NO_ACCESS, disabled: true }
  assert.deepEqual(account({}), out)
  assert.deepEqual(account({ certificates: [revoked] }), out)
  assert.deepEqual(account({ certificates: [certificate], disabled: true }), out)
  assert.deepEqual(account({ certificates: [revoked, certificate] }), { ...out, acl: ACL, disabled: false })
  assert.deepEqual(storedCredential(record({ authentication: 'Certificate' })), { certificate: true })
})
