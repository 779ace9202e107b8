/** Certificate authorities of our own, ECDSA P-256, which sign end certificates and no further authority. */
import { createPrivateKey, KeyObject, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from './x509.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** Certificate and key, PEM. */
export type KeyPair = { readonly certificate: string; readonly key: string }

export type Validity = { readonly notBefore: Date; readonly notAfter: Date }

const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])

const pairOf = (certificate: x509.X509Certificate, { privateKey }: webcrypto.CryptoKeyPair): KeyPair => ({
  certificate: `${certificate.toString('pem')}\n`,
  key: KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
})

/** 128 random bits behind a byte that keeps the number positive and its length the same. */
export const newSerial = (): string => `01${randomBytes(16).toString('hex')}`

/** A new authority, which signs certificates and revocation lists. */
export const newAuthority = async (name: string, { notBefore, notAfter }: Validity): Promise<KeyPair> => {
  const keys = await newKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    notBefore,
    notAfter,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return pairOf(certificate, keys)
}

const alternative = (name: string) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })

/** A new key with a certificate by which a TLS server shows that it is each of `names`: host names and addresses. */
export const newServerCertificate = async (
  authority: KeyPair,
  names: readonly string[],
  { notBefore, notAfter }: Validity,
): Promise<KeyPair> => {
  const issuer = new x509.X509Certificate(authority.certificate)
  const keys = await newKeys()
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: [{ CN: [names[0]?.slice(0, 64) ?? 'server'] }],
    issuer: issuer.subjectName,
    notBefore,
    notAfter: notAfter < issuer.notAfter ? notAfter : issuer.notAfter,
    publicKey: keys.publicKey,
    signingKey: createPrivateKey(authority.key).toCryptoKey(ALGORITHM, false, ['sign']),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map(alternative)),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  })
  return pairOf(certificate, keys)
}
