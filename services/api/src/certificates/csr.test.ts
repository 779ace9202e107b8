import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as x509 from '@fleetloom/shared/certificates/x509'
import { Problem } from '../http/problem.ts'
import { readCsr } from './csr.ts'
import { aRequest, P256 } from './testing.ts'

const USER = 'cold.t-1'
const rsa = (modulusLength: number) => ({
  ...{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength },
  publicExponent: new Uint8Array([1, 0, 1]),
})

/** The fields that a request is refused for. */
const faults = async (csr: string | Buffer): Promise<string[]> => {
  try {
    await readCsr(Buffer.from(csr), USER)
    return []
  } catch (error) {
    assert.ok(error instanceof Problem && error.kind === 'invalid-request', String(error))
    return error.extra.errors?.map(({ field }) => field) ?? []
  }
}
const der = (pem: string): Buffer => Buffer.from(new x509.Pkcs10CertificateRequest(pem).rawData)

test('a request with the own name or none is taken, in PEM and in DER', async () => {
  for (const subject of ['', `CN=${USER}`]) {
    const pem = await aRequest(subject)
    assert.deepEqual(await faults(pem), [])
    assert.deepEqual(await faults(der(pem)), [])
  }
})

test('keys of today are taken, weak ones refused', async () => {
  const cases = [
    [{ name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }, true],
    [{ name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' }, false],
    [{ name: 'Ed25519' }, true],
    [rsa(1024), false],
    [rsa(2048), true],
    [rsa(4096 + 8), false],
    [{ ...rsa(2048), publicExponent: new Uint8Array([3]) }, false],
  ] as const
  for (const [algorithm, isTaken] of cases)
    assert.deepEqual(
      await faults(await aRequest('', { algorithm })),
      isTaken ? [] : ['csr.publicKey'],
      JSON.stringify(algorithm),
    )
})

test("another's name, or more than a name, is refused", async () => {
  for (const subject of [
    'CN=cold.t-2',
    'CN=warm.t-1',
    `CN=${USER}+CN=cold.t-2`,
    `CN=${USER}, CN=${USER}`,
    'CN=COLD.T-1',
  ])
    assert.deepEqual(await faults(await aRequest(subject)), ['csr.subject.CN'], subject)
  for (const subject of [`CN=${USER}, O=Fleetloom`, 'O=Fleetloom', `CN=${USER}, E=a@b`])
    assert.deepEqual(await faults(await aRequest(subject)), ['csr.subject'], subject)
})

test('a request that asks for extensions or holds attributes is refused, and they are named', async () => {
  const requests = [
    { extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'cold.t-2' }])] },
    { extensions: [new x509.BasicConstraintsExtension(true, 3, true)] },
    { attributes: [new x509.ChallengePasswordAttribute('x')] },
  ]
  for (const request of requests) {
    const csr = await aRequest('', request)
    await assert.rejects(readCsr(Buffer.from(csr), USER), (error: Problem) => {
      assert.deepEqual(
        error.extra.errors?.map(({ field }) => field),
        ['csr.attributes'],
      )
      assert.match(String(error.extra.errors?.[0]?.value), /\d+\.\d+/)
      return true
    })
  }
})

test("somebody else's public key is refused: the signature must fit it", async () => {
  const [mine, theirs] = [der(await aRequest()), der(await aRequest())]
  const keyAt = mine.indexOf(Buffer.from('03420004', 'hex'))
  const forged = Buffer.from(mine)
  theirs.copy(forged, keyAt, keyAt, keyAt + 68)
  assert.deepEqual(await faults(forged), ['csr.signature'])
})

test('what is no request is refused, and so is a request with one byte changed of what it signs', async () => {
  const pem = await aRequest(`CN=${USER}`, { algorithm: P256 })
  const notRequests = [
    '',
    'garbage',
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
    `${pem}${pem}`,
    `x${pem}`,
  ]
  for (const text of notRequests) assert.deepEqual(await faults(text), ['csr'], text)
  const request = der(pem)
  assert.deepEqual(await faults(request.subarray(0, -1)), ['csr'])
  const start = request.indexOf(Buffer.from('020100', 'hex')) - 2
  const end = request.indexOf(Buffer.from('06082a8648ce3d040302', 'hex')) - 2
  for (let at = start; at < end; at++) {
    const changed = Buffer.from(request)
    changed[at] = (changed[at] as number) ^ 0x01
    assert.notDeepEqual(await faults(changed), [], `byte ${at}`)
  }
})
