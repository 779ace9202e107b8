/** The certificates of a cluster, made anew for each: one authority, the API server, and a client certificate per component. */
import 'reflect-metadata'
import { generateKeyPairSync, webcrypto } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const VALID_MS = 30 * 24 * 3_600_000

type Pair = { readonly cert: x509.X509Certificate; readonly keys: webcrypto.CryptoKeyPair }

const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>

const dates = () => ({ notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + VALID_MS) })

const serial = (): string => Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString('hex')

const authority = async (name: string): Promise<Pair> => {
  const keys = await newKeys()
  const usages = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${name}`,
    ...dates(),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true), new x509.KeyUsagesExtension(usages, true)],
  })
  return { cert, keys }
}

/** Names and addresses that a server is reached by. */
export type Names = { readonly dns: readonly string[]; readonly ips: readonly string[] }

const alternativeNames = ({ dns, ips }: Names): x509.Extension[] => [
  new x509.SubjectAlternativeNameExtension([
    ...dns.map((value) => ({ type: 'dns' as const, value })),
    ...ips.map((value) => ({ type: 'ip' as const, value })),
  ]),
]

const issue = async (ca: Pair, subject: string, names?: Names): Promise<Pair> => {
  const keys = await newKeys()
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject,
    issuer: ca.cert.subject,
    ...dates(),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: ca.keys.privateKey,
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      ...(names ? alternativeNames(names) : []),
    ],
  })
  return { cert, keys }
}

const keyPem = async ({ keys }: Pair): Promise<string> => {
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return x509.PemConverter.encode(der, 'PRIVATE KEY')
}

const kubeconfigOf = async (server: string, ca: Pair, user: Pair): Promise<string> => {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const authorityData = base64(ca.cert.toString('pem'))
  const credentials = {
    'client-certificate-data': base64(user.cert.toString('pem')),
    'client-key-data': base64(await keyPem(user)),
  }
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'cluster',
    clusters: [{ name: 'cluster', cluster: { server, 'certificate-authority-data': authorityData } }],
    contexts: [{ name: 'cluster', context: { cluster: 'cluster', user: 'user' } }],
    users: [{ name: 'user', user: credentials }],
  })
}

/** Who gets a kubeconfig, and as whom the API server knows them. */
const CLIENTS = {
  admin: 'O=system:masters,CN=admin',
  'controller-manager': 'CN=system:kube-controller-manager',
  scheduler: 'CN=system:kube-scheduler',
  proxy: 'CN=system:kube-proxy',
  node: 'O=system:nodes,CN=system:node:node1',
} as const

export type Client = keyof typeof CLIENTS

/** Paths of what `writeCertificates` wrote. */
export type Certificates = {
  readonly file: (name: string) => string
  readonly kubeconfig: (client: Client) => string
}

/**
 * Writes `ca`, `front-proxy-ca`, `apiserver`, `front-proxy-client`, the key of service account tokens, and a certificate and a
 * kubeconfig of each client: `NAME.crt`, `NAME.key`, `CLIENT.kubeconfig`.
 */
export const writeCertificates = async (folder: string, server: string, names: Names): Promise<Certificates> => {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = (name: string) => join(folder, name)
  const put = (name: string, text: string) => writeFileSync(file(name), text, { mode: 0o600 })
  const keep = async (name: string, pair: Pair): Promise<Pair> => {
    put(`${name}.crt`, pair.cert.toString('pem'))
    put(`${name}.key`, await keyPem(pair))
    return pair
  }
  const ca = await keep('ca', await authority('ca'))
  const frontProxy = await keep('front-proxy-ca', await authority('front-proxy-ca'))
  await keep('front-proxy-client', await issue(frontProxy, 'CN=front-proxy-client'))
  await keep('apiserver', await issue(ca, 'CN=kube-apiserver', names))
  for (const [client, subject] of Object.entries(CLIENTS)) {
    const pair = await keep(client, await issue(ca, subject, client === 'node' ? names : undefined))
    put(`${client}.kubeconfig`, await kubeconfigOf(server, ca, pair))
  }
  const accounts = generateKeyPairSync('rsa', { modulusLength: 2048 })
  put('service-accounts.key', accounts.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
  return { file, kubeconfig: (client) => file(`${client}.kubeconfig`) }
}
