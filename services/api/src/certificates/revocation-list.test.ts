import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import * as x509 from '@fleetloom/shared/certificates/x509'
import { elements, integer, oid, time } from './der.ts'
import { isSignedList, listPem, type RefusedCertificate } from './revocation-list.ts'
import { aCa, NOW } from './testing.ts'

const SINCE = new Date('2026-01-30T00:00:00Z')
const refused = (serial: string, reason: RefusedCertificate['reason'] = 'unspecified'): RefusedCertificate => ({
  ...{ serial, reason, since: SINCE },
})
const { ca, pem } = await aCa()
const key = createPublicKey(pem.certificate)

test('a list reads back as it was made, by another reader', async () => {
  const all = [refused('01ff'), refused('80aa', 'certificateHold'), refused('7f')]
  const list = new x509.X509Crl(ca.revocationList(all, NOW))
  assert.equal(await list.verify({ publicKey: new x509.X509Certificate(pem.certificate).publicKey }), true)
  assert.equal(list.issuer, 'CN=Test CA')
  assert.equal(list.thisUpdate.toISOString(), '2026-01-31T11:55:00.000Z')
  assert.equal(list.nextUpdate?.toISOString(), '2026-02-07T12:00:00.000Z')
  assert.deepEqual(
    list.entries.map(({ serialNumber, revocationDate, reason }) => [serialNumber, revocationDate, reason]),
    [
      ['01ff', SINCE, undefined],
      ['80aa', SINCE, x509.X509CrlReason.certificateHold],
      ['7f', SINCE, undefined],
    ],
  )
  assert.deepEqual(
    Array.from(list.extensions, ({ type }) => type),
    ['2.5.29.35', '2.5.29.20'],
  )
})

test('a list of nobody is a list', () => {
  const list = new x509.X509Crl(ca.revocationList([], NOW))
  assert.deepEqual(list.entries, [])
})

test('10,000 certificates are listed and checked in well under a second', () => {
  const all = Array.from({ length: 10_000 }, (_, i) => refused(`01${i.toString(16).padStart(32, '0')}`))
  const started = performance.now()
  assert.equal(isSignedList(ca.revocationList(all, NOW), key), true)
  assert.ok(performance.now() - started < 1_000)
})

test('only a whole list of this CA is taken for one', async () => {
  const list = ca.revocationList([refused('01')], NOW)
  assert.equal(isSignedList(list, key), true)
  assert.equal(isSignedList((await aCa()).ca.revocationList([], NOW), key), false)
  const others = ['', '<html>', listPem(list), list.subarray(0, -1), Buffer.concat([list, list]), Buffer.alloc(9, 0x30)]
  for (const other of others) assert.equal(isSignedList(Buffer.from(other), key), false)
  for (let at = 0; at < list.length; at++) {
    const changed = Buffer.from(list)
    changed[at] = (changed[at] as number) ^ 0x01
    assert.equal(isSignedList(changed, key), false, `byte ${at}`)
  }
})

test('numbers, times and identifiers are as DER has them', () => {
  const hex = (bytes: Buffer) => bytes.toString('hex')
  assert.equal(hex(integer('0')), '020100')
  assert.equal(hex(integer('7f')), '02017f')
  assert.equal(hex(integer('80')), '02020080')
  assert.equal(hex(integer('000123')), '02020123')
  assert.equal(hex(oid('1.2.840.10045.4.3.2')), '06082a8648ce3d040302')
  assert.equal(time(new Date('2049-12-31T23:59:59Z')).toString('latin1', 2), '491231235959Z')
  assert.equal(time(new Date('2050-01-01T00:00:00Z')).toString('latin1', 2), '20500101000000Z')
  assert.throws(() => elements(Buffer.from('3080', 'hex')), /unknown form/)
  assert.throws(() => elements(Buffer.from('300500', 'hex')), /cut short/)
  assert.throws(() => elements(Buffer.from('30', 'hex')), RangeError)
})
