/** Builders of what tests of certificates compare. */
import { webcrypto } from 'node:crypto'
import * as x509 from '@fleetloom/shared/certificates/x509'
import type { DeviceRecord, IssuedCertificate } from '@fleetloom/shared/registry/device-record'
import { NO_SECRET } from '@fleetloom/shared/registry/secret'
import { type CaOptions, createDeviceCa } from './ca.ts'
import { newDeviceCa } from './make-ca.ts'

export const NOW = new Date('2026-01-31T12:00:00.500Z')
export const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

type KeyAlgorithm = { readonly name: string; readonly hash?: string }

export const aCa = async (options: Partial<CaOptions> = {}, now = NOW) => {
  const pem = await newDeviceCa('Test CA', now)
  return { pem, ca: await createDeviceCa(pem, { days: 90, ...options }) }
}

type Request = {
  readonly algorithm?: KeyAlgorithm
  readonly extensions?: x509.Extension[]
  readonly attributes?: x509.Attribute[]
}

/** A request in PEM. */
export const aRequest = async (subject = '', request: Request = {}): Promise<string> => {
  const { algorithm = P256, extensions = [], attributes = [] } = request
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    ...{ name: subject, keys, extensions, attributes },
    signingAlgorithm: algorithm,
  })
  return csr.toString('pem')
}

/** A certificate as the registry lists it. */
export const aListed = (serial: string, change: Partial<IssuedCertificate> = {}): IssuedCertificate => ({
  ...{ serial, issuedAt: NOW.toISOString(), notAfter: '2026-05-01T12:00:00.000Z' },
  ...change,
})

/** A device with certificates. */
export const aDevice = (change: Partial<DeviceRecord> = {}): DeviceRecord => ({
  ...{ version: '1.0', namespace: 'cold', fleet: 'trucks', device: 't-1', type: '', labels: {}, displayName: '' },
  ...{ disabled: false, authentication: 'Certificate', secret: NO_SECRET, certificates: [] },
  ...{ createdAt: NOW.toISOString(), updatedAt: NOW.toISOString() },
  ...change,
})
