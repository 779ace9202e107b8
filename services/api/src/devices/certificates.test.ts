import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NewAccount } from '@fleetloom/shared/broker/broker'
import { type DeviceRecord, MAX_CERTIFICATES } from '@fleetloom/shared/registry/device-record'
import type { DeviceCa } from '../certificates/ca.ts'
import { aCa, aDevice, aListed, aRequest, NOW } from '../certificates/testing.ts'
import { Problem } from '../http/problem.ts'
import { Certificates } from './certificates.ts'

const DELAY_MS = 5_000
const { ca } = await aCa()
const csr = Buffer.from(await aRequest())

/** Signs for a registry that holds one device, and notes what it is asked to do. */
const under = (held: DeviceRecord, parts: { readonly ca: DeviceCa | undefined } = { ca }) => {
  const done: string[] = []
  const state = { record: held }
  const registry = {
    change: async (_: unknown, apply: (now: DeviceRecord) => DeviceRecord) => {
      state.record = apply(state.record)
      done.push('registry')
      return { record: state.record, revision: 2 }
    },
  }
  const accounts = {
    putOne: async ({ disabled, secret }: NewAccount) => void done.push(`put ${disabled} ${JSON.stringify(secret)}`),
    align: async () => done.push('align') > 0,
  }
  const fleets = { getActive: async () => ({}) as never }
  const now = () => NOW
  const certificates = new Certificates({ registry, accounts, fleets, listDelayMs: DELAY_MS, now, ...parts })
  return { certificates, accounts, done, state }
}
const entry = (record: DeviceRecord) => ({ record, revision: 1 })
const refusedWith = (kind: string, pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Problem, String(error))
  assert.equal(error.kind, kind)
  assert.match(`${error.message} ${error.extra.next}`, pattern)
  return true
}

test('who slipped in before is thrown out first; then the certificate is listed; then the device gets its rights', async () => {
  const revoked = aListed('01', { revokedAt: new Date(NOW.getTime() - DELAY_MS).toISOString() })
  const record = aDevice({ certificates: [revoked] })
  const { certificates, done, state } = under(record)
  const { certificate } = await certificates.sign(entry(record), csr)
  assert.deepEqual(done, ['put true {"certificate":true}', 'registry', 'align'])
  assert.deepEqual(state.record.certificates, [revoked, certificate])
})

test('a device that renews its certificate in time keeps its session, and expired ones leave the registry', async () => {
  const expired = aListed('01', { notAfter: NOW.toISOString() })
  const record = aDevice({ certificates: [expired, aListed('02')] })
  const { certificates, done, state } = under(record)
  const { certificate } = await certificates.sign(entry(record), csr)
  assert.deepEqual(done, ['registry', 'align'])
  assert.deepEqual(state.record.certificates, [aListed('02'), certificate])
})

test('a certificate that the broker could not follow is not given out, and leaves no trace', async () => {
  const record = aDevice({ certificates: [aListed('01')] })
  const { certificates, accounts, state } = under(record)
  accounts.align = () => Promise.reject(new Error('broker mqtt: does not answer'))
  const away = refusedWith('unavailable', /no certificate was given out: broker mqtt: does not answer/)
  for (let i = 0; i < MAX_CERTIFICATES + 1; i++) await assert.rejects(certificates.sign(entry(record), csr), away)
  assert.deepEqual(state.record, record)
})

test('after a revocation the next certificate waits until brokers have the list', async () => {
  const record = aDevice({
    certificates: [aListed('01', { revokedAt: new Date(NOW.getTime() - 1_500).toISOString() })],
  })
  const { certificates, done } = under(record)
  await assert.rejects(certificates.sign(entry(record), csr), (error: unknown) => {
    assert.equal((error as Problem).extra.retryAfterSeconds, 4)
    return refusedWith('conflict', /were revoked.*again in 4 s/)(error)
  })
  assert.deepEqual(done, [])
})

test('what happened to the device while its certificate was signed counts', async () => {
  const record = aDevice()
  const meanwhile: [Partial<DeviceRecord>, RegExp][] = [
    [{ disabled: true }, /is disabled/],
    [{ certificates: [aListed('01', { revokedAt: NOW.toISOString() })] }, /were revoked/],
    [{ fleet: 'vans' }, /registered anew/],
    [{ createdAt: '2026-01-31T11:59:59.000Z' }, /registered anew/],
  ]
  for (const [change, pattern] of meanwhile) {
    const { certificates, done, state } = under(record)
    state.record = aDevice(change)
    await assert.rejects(certificates.sign(entry(record), csr), refusedWith('conflict', pattern))
    assert.equal(done.includes('align'), false)
  }
})

test('a device holds a bounded number of certificates, and is told when it may have the next', async () => {
  const record = aDevice({ certificates: Array.from({ length: MAX_CERTIFICATES }, (_, i) => aListed(`0${i}`)) })
  const { certificates } = under(record)
  const refused = refusedWith('conflict', /has 32 certificates.*the first at 2026-05-01/)
  await assert.rejects(certificates.sign(entry(record), csr), refused)
})

test('without a CA the problem says how to make one; a disabled device and one with a password get none', async () => {
  const without = under(aDevice(), { ca: undefined }).certificates
  await assert.rejects(without.sign(entry(aDevice()), csr), refusedWith('not-configured', /DEVICE_CA_CERT_FILE/))
  const sign = (record: DeviceRecord) => under(record).certificates.sign(entry(record), csr)
  await assert.rejects(sign(aDevice({ disabled: true })), refusedWith('conflict', /is disabled/))
  await assert.rejects(sign(aDevice({ authentication: 'Password' })), refusedWith('conflict', /with a password/))
})

test('revoking takes every certificate, leaves the time of those revoked before, and can be repeated', async () => {
  const before = '2026-01-01T00:00:00.000Z'
  const record = aDevice({ certificates: [aListed('01', { revokedAt: before }), aListed('02')] })
  const { certificates, done, state } = under(record)
  const wanted = [aListed('01', { revokedAt: before }), aListed('02', { revokedAt: NOW.toISOString() })]
  for (let i = 0; i < 2; i++) {
    await certificates.revoke(entry(record))
    assert.deepEqual(state.record.certificates, wanted)
  }
  assert.deepEqual(done, ['registry', 'align', 'registry', 'align'])
})
