/**
 * What a device may ask for. A request holds its public key, signed with the private one, and at most its own name; whatever
 * else the certificate says is ours to say, so a request that asks for more is refused rather than cut down.
 */
import { createPublicKey } from 'node:crypto'
import { Pkcs10CertificateRequest, type PublicKey } from '@fleetloom/shared/certificates/x509'
import { type Fault, Problem } from '../http/problem.ts'

const CURVES = ['prime256v1', 'secp384r1']
const RSA_BITS = { least: 2048, most: 4096 }
const PEM =
  /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----[\sA-Za-z0-9+/=]+-----END (NEW )?CERTIFICATE REQUEST-----\s*$/
const DER_SEQUENCE = 0x30

const HOW =
  'Make the request with: openssl req -new -key device.key -subj /CN=NAMESPACE.DEVICE, its key with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256.'

const refused = (...errors: readonly Fault[]): Problem =>
  new Problem('invalid-request', errors.map(({ field, reason }) => `${field}: ${reason}`).join('; '), {
    errors,
    next: HOW,
  })

const NOT_A_REQUEST = { field: 'csr', reason: 'must be one PKCS #10 certificate request, in PEM or DER' }

/** What the library makes of bytes of a stranger: whatever it throws says that they are no request. */
const orRefused = <T>(read: () => T): T => {
  try {
    return read()
  } catch {
    throw refused(NOT_A_REQUEST)
  }
}

const parse = (bytes: Buffer): Pkcs10CertificateRequest => {
  if (bytes[0] === DER_SEQUENCE) return new Pkcs10CertificateRequest(new Uint8Array(bytes))
  const text = bytes.toString('latin1')
  if (!PEM.test(text)) throw new TypeError('not PEM')
  return new Pkcs10CertificateRequest(text)
}

const subjectFaults = (request: Pkcs10CertificateRequest, username: string): Fault[] => {
  const attributes = request.subjectName
    .toJSON()
    .flatMap((rdn) => Object.entries(rdn).flatMap(([type, values]) => values.map((value) => ({ type, value }))))
  const others = attributes.filter(({ type }) => type !== 'CN').map(({ type }) => type)
  if (others.length > 0)
    return [{ field: 'csr.subject', value: others.join(', ').slice(0, 100), reason: 'must hold nothing but CN' }]
  const names = attributes.map(({ value }) => String(value))
  if (names.length === 0 || (names.length === 1 && names[0] === username)) return []
  return [
    {
      field: 'csr.subject.CN',
      value: names.join(', ').slice(0, 100),
      reason: `must be ${username}, the user name of the device, or be left out`,
    },
  ]
}

const attributeFaults = (request: Pkcs10CertificateRequest): Fault[] => {
  const asked = [
    ...request.extensions.map(({ type }) => `extension ${type}`),
    ...request.attributes.map(({ type }) => `attribute ${type}`),
  ]
  if (asked.length === 0) return []
  const reason = 'must ask for no extension (as subjectAltName, keyUsage) and hold no attribute'
  return [{ field: 'csr.attributes', value: asked.join(', ').slice(0, 100), reason }]
}

const isStrong = (key: PublicKey): boolean => {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({
      key: Buffer.from(key.rawData),
      format: 'der',
      type: 'spki',
    })
    const { namedCurve = '', modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {}
    if (asymmetricKeyType === 'ed25519') return true
    if (asymmetricKeyType === 'ec') return CURVES.includes(namedCurve)
    const isRsa = asymmetricKeyType === 'rsa' && publicExponent >= 65_537n
    return isRsa && modulusLength >= RSA_BITS.least && modulusLength <= RSA_BITS.most
  } catch {
    return false
  }
}

const keyFault: Fault = {
  field: 'csr.publicKey',
  reason: `must be ECDSA P-256 or P-384, Ed25519, or RSA of ${RSA_BITS.least} to ${RSA_BITS.most} bits`,
}

/** The public key of a request (PEM or DER) that the device of this user name may make. @throws Problem */
export const readCsr = async (bytes: Buffer, username: string): Promise<PublicKey> => {
  const request = orRefused(() => parse(bytes))
  const faults = orRefused(() => [
    ...subjectFaults(request, username),
    ...attributeFaults(request),
    ...(isStrong(request.publicKey) ? [] : [keyFault]),
  ])
  if (faults.length > 0) throw refused(...faults)
  if (await request.verify().catch(() => false)) return request.publicKey
  throw refused({
    field: 'csr.signature',
    reason: 'does not fit the public key: the request was not made by its owner',
  })
}
