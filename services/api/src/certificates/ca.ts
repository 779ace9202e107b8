/**
 * The platform's certificate authority for devices: signs certificates for devices' own keys, and the list of those to be refused.
 * A certificate says who the device is (its CN is the MQTT user name) and that it may be a TLS client; nothing in it comes from the
 * request but the public key.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { newSerial } from '@fleetloom/shared/certificates/authority'
import * as x509 from '@fleetloom/shared/certificates/x509'
import { ConfigError } from '@fleetloom/shared/process/config'
import { messageOf } from '@fleetloom/shared/process/logger'
import type { IssuedCertificate } from '@fleetloom/shared/registry/device-record'
import { Problem } from '../http/problem.ts'
import { readCsr } from './csr.ts'
import { type RefusedCertificate, revocationList } from './revocation-list.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** Clocks of devices and brokers may be behind ours by this. */
const BACKDATE_MS = 5 * MINUTE_MS
/** How long brokers go on with a list when they can't get a newer one; beyond it they refuse every certificate. */
export const LIST_VALID_MS = 7 * DAY_MS

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384' }

/** `csr` is PEM or DER. */
export type Wanted = { readonly username: string; readonly csr: Buffer; readonly now: Date }
export type Issued = {
  /** PEM: the device's certificate, then ours as it stands in our file. */
  readonly chain: string
  readonly record: IssuedCertificate
}

export type DeviceCa = {
  /** @throws Problem when the request asks for anything but a certificate of this user name. */
  issue(wanted: Wanted): Promise<Issued>
  /** DER. */
  revocationList(refused: readonly RefusedCertificate[], now: Date): Buffer
}

export type CaOptions = {
  /** Days that a certificate is valid, unless the CA ends before. */
  readonly days: number
  /** Where brokers find the revocation list; stands in each certificate. */
  readonly listUrl?: string | undefined
}

type Pem = { readonly certificate: string; readonly key: string }

/** To the second, as certificates have it. */
const seconds = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000)

/** @throws ConfigError when key and certificate are no CA together. */
const checkCa = (certificate: X509Certificate, key: KeyObject): string => {
  const usages = new x509.X509Certificate(certificate.raw).getExtension(x509.KeyUsagesExtension)?.usages ?? 0
  const needed = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign
  const curve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? '']
  if (curve === undefined) throw new ConfigError('the key of the device CA must be ECDSA P-256 or P-384')
  if (!certificate.checkPrivateKey(key)) throw new ConfigError('the key of the device CA does not fit its certificate')
  if (!certificate.ca || (usages & needed) !== needed)
    throw new ConfigError('the certificate of the device CA must be a CA with key usages keyCertSign and cRLSign')
  return curve
}

const extensionsOf = async (
  ca: x509.X509Certificate,
  publicKey: x509.PublicKey,
  listUrl: string | undefined,
): Promise<x509.Extension[]> => [
  new x509.BasicConstraintsExtension(false, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
  new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
  await x509.SubjectKeyIdentifierExtension.create(publicKey),
  await x509.AuthorityKeyIdentifierExtension.create(ca),
  ...(listUrl === undefined ? [] : [new x509.CRLDistributionPointsExtension([listUrl])]),
]

const expired = (notAfter: Date): Problem =>
  new Problem('unavailable', `the device CA has expired on ${notAfter.toISOString()}`, {
    next: 'Make a new CA, start the api and the brokers with it, then let devices enrol anew.',
  })

/** @throws ConfigError when the two are no CA together. */
export const createDeviceCa = async (pem: Pem, { days, listUrl }: CaOptions): Promise<DeviceCa> => {
  const key = createPrivateKey(pem.key)
  const certificate = new X509Certificate(pem.certificate)
  const namedCurve = checkCa(certificate, key)
  const algorithm = { name: 'ECDSA', namedCurve, hash: 'SHA-256' } as const
  const signingKey = key.toCryptoKey(algorithm, false, ['sign'])
  const ca = new x509.X509Certificate(certificate.raw)
  const keyId = (await x509.SubjectKeyIdentifierExtension.create(ca.publicKey)).keyId
  const held = ca.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId ?? keyId
  const signer = { key, name: new Uint8Array(ca.subjectName.toArrayBuffer()), keyId: Buffer.from(held, 'hex') }
  return {
    issue: async ({ username, csr, now }) => {
      const nowMs = now.getTime()
      if (nowMs >= ca.notAfter.getTime()) throw expired(ca.notAfter)
      const publicKey = await readCsr(csr, username)
      const notAfter = seconds(Math.min(nowMs + days * DAY_MS, ca.notAfter.getTime()))
      const serial = newSerial()
      const leaf = await x509.X509CertificateGenerator.create({
        serialNumber: serial,
        subject: [{ CN: [username] }],
        issuer: ca.subjectName,
        notBefore: seconds(nowMs - BACKDATE_MS),
        notAfter,
        publicKey,
        signingKey,
        signingAlgorithm: algorithm,
        extensions: await extensionsOf(ca, publicKey, listUrl),
      })
      const record = { serial, issuedAt: now.toISOString(), notAfter: notAfter.toISOString() }
      return { chain: `${leaf.toString('pem')}\n${pem.certificate.trim()}\n`, record }
    },
    revocationList: (refused, now) => {
      const thisUpdate = seconds(now.getTime() - BACKDATE_MS)
      return revocationList(signer, refused, { thisUpdate, nextUpdate: seconds(now.getTime() + LIST_VALID_MS) })
    },
  }
}

/** The CA in two mounted files. @throws ConfigError that names the files. */
export const loadDeviceCa = async (
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
  options: CaOptions,
): Promise<DeviceCa> => {
  try {
    const [certificate, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
    return await createDeviceCa({ certificate, key }, options)
  } catch (error) {
    throw new ConfigError(`DEVICE_CA_CERT_FILE=${certFile}, DEVICE_CA_KEY_FILE=${keyFile}: ${messageOf(error)}`)
  }
}
