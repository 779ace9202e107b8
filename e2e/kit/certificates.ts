/** What TLS needs in tests: a server's certificate from a CA of its own, and devices' keys and requests. */
import { KeyObject, webcrypto } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000
const YEAR_MS = 365 * DAY_MS

const newKeys = () => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
const keyPem = (key: webcrypto.CryptoKey): string =>
  KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString()
const validity = () => ({ notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + 10 * YEAR_MS) })

/** A server's key and certificate, and the CA by which clients know it. */
export type ServerTls = { readonly caFile: string; readonly certFile: string; readonly keyFile: string }

/** Makes them for this host's loopback names, unless the folder holds them. */
export const serverTls = async (directory: string): Promise<ServerTls> => {
  const files = {
    caFile: join(directory, 'server-ca.crt'),
    certFile: join(directory, 'server.crt'),
    keyFile: join(directory, 'server.key'),
  }
  if (existsSync(files.keyFile)) return files
  const [caKeys, keys] = await Promise.all([newKeys(), newKeys()])
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Server CA',
    ...validity(),
    keys: caKeys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  })
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=localhost',
    issuer: ca.subjectName,
    ...validity(),
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ],
  })
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await writeFile(files.caFile, `${ca.toString('pem')}\n`)
  await writeFile(files.certFile, `${certificate.toString('pem')}\n`)
  await writeFile(files.keyFile, keyPem(keys.privateKey), { mode: 0o600 })
  return files
}

/** A device's private key and its request, both PEM. */
export type DeviceRequest = { readonly key: string; readonly csr: string }

type Asked = { readonly extensions?: x509.Extension[] }

/** A key, and a request for a certificate with this subject, such as `CN=cold.truck-1`; '' leaves it out. */
export const deviceRequest = async (subject: string, { extensions = [] }: Asked = {}): Promise<DeviceRequest> => {
  const keys = await newKeys()
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions,
  })
  return { key: keyPem(keys.privateKey), csr: csr.toString('pem') }
}
