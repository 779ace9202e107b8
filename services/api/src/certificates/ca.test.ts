import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as x509 from '@fleetloom/shared/certificates/x509'
import { createDeviceCa, loadDeviceCa } from './ca.ts'
import { makeDeviceCa, newDeviceCa } from './make-ca.ts'
import { aCa, aRequest, NOW } from './testing.ts'

const wanted = async (now = NOW) => ({ username: 'cold.t_1', csr: Buffer.from(await aRequest()), now })

test('a certificate names the device, may only be a TLS client, and is valid for the days asked', async () => {
  const { ca, pem } = await aCa({ listUrl: 'http://api/v1/device-ca/crl' })
  const { chain, record } = await ca.issue(await wanted())
  const [leaf, issuer] = chain.split(/(?<=-----END CERTIFICATE-----\n)/).map((one) => new X509Certificate(one))
  assert.ok(leaf && issuer)
  assert.equal(leaf.subject, 'CN=cold.t_1')
  assert.equal(leaf.verify(issuer.publicKey) && leaf.checkIssued(issuer), true)
  assert.equal(issuer.fingerprint256, new X509Certificate(pem.certificate).fingerprint256)
  assert.deepEqual(
    { ca: leaf.ca, keyUsage: leaf.keyUsage, names: leaf.subjectAltName },
    {
      ...{ ca: false, keyUsage: ['1.3.6.1.5.5.7.3.2'] },
      names: undefined,
    },
  )
  assert.equal(leaf.validFromDate.toISOString(), '2026-01-31T11:55:00.000Z')
  assert.equal(leaf.validToDate.toISOString(), '2026-05-01T12:00:00.000Z')
  assert.deepEqual(record, {
    serial: leaf.serialNumber.toLowerCase(),
    issuedAt: NOW.toISOString(),
    notAfter: '2026-05-01T12:00:00.000Z',
  })
  assert.match(record.serial, /^01[0-9a-f]{32}$/)
  const parsed = new x509.X509Certificate(leaf.raw)
  assert.deepEqual(
    Array.from(parsed.extensions, ({ type, critical }) => [type, critical]),
    [
      ['2.5.29.19', true],
      ['2.5.29.15', true],
      ['2.5.29.37', false],
      ['2.5.29.14', false],
      ['2.5.29.35', false],
      ['2.5.29.31', false],
    ],
  )
})

test('no two certificates have a serial number in common', async () => {
  const { ca } = await aCa()
  const request = await wanted()
  const serials = await Promise.all(Array.from({ length: 20 }, async () => (await ca.issue(request)).record.serial))
  assert.equal(new Set(serials).size, 20)
})

test('a certificate ends with its CA at the latest, and an expired CA signs nothing', async () => {
  const { ca } = await aCa({ days: 825 })
  const late = await ca.issue(await wanted(new Date('2035-12-01T00:00:00Z')))
  assert.equal(late.record.notAfter, '2036-01-31T12:00:00.000Z')
  await assert.rejects(ca.issue(await wanted(new Date('2036-02-01T00:00:00Z'))), /has expired on 2036-01-31/)
})

test('key and certificate that are no CA together are refused', async () => {
  const [one, two] = await Promise.all([newDeviceCa('one', NOW), newDeviceCa('two', NOW)])
  await assert.rejects(createDeviceCa({ certificate: one.certificate, key: two.key }, { days: 1 }), /does not fit/)
  const { ca, pem } = await aCa()
  const { chain } = await ca.issue(await wanted())
  await assert.rejects(createDeviceCa({ certificate: chain, key: pem.key }, { days: 1 }), /does not fit/)
  const files = { certFile: '/nowhere/ca.crt', keyFile: '/nowhere/ca.key' }
  await assert.rejects(loadDeviceCa(files, { days: 1 }), {
    name: 'ConfigError',
    message: /^DEVICE_CA_CERT_FILE=\/nowhere\/ca.crt, DEVICE_CA_KEY_FILE=\/nowhere\/ca.key: ENOENT/,
  })
})

test('a CA is made once: its key is readable by its owner alone and is never overwritten', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fleetloom-ca-'))
  try {
    const files = await makeDeviceCa(join(directory, 'ca'), NOW)
    assert.equal((await stat(files.keyFile)).mode & 0o777, 0o600)
    const key = await readFile(files.keyFile, 'utf8')
    assert.deepEqual(await makeDeviceCa(join(directory, 'ca'), NOW), files)
    assert.equal(await readFile(files.keyFile, 'utf8'), key)
    const certificate = new x509.X509Certificate(await readFile(files.certFile, 'utf8'))
    assert.equal(certificate.notAfter.toISOString(), '2036-01-31T12:00:00.000Z')
    const constraints = certificate.getExtension(x509.BasicConstraintsExtension)
    assert.deepEqual([constraints?.ca, constraints?.pathLength], [true, 0])
    await loadDeviceCa(files, { days: 1 })
  } finally {
    await rm(directory, { recursive: true })
  }
})
