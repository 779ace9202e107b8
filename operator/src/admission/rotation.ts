/**
 * The authority of the webhook's certificates, kept in one Secret, and how it is replaced. Pure but for new keys.
 *
 * Every replica signs its own server certificate with the authority of the Secret. What the API server trusts is the bundle in the
 * webhook configuration. The bundle always goes first:
 *
 * 1. Two thirds into its life an authority is given a *successor*, in the leader's memory. The bundle holds both.
 * 2. When that bundle has stood for a while, the Secret gets the successor, and keeps the certificate of the one before.
 * 3. Replicas take it up at their next looks; the bundle holds both until the earlier one has ended.
 *
 * A leader that ends in between leaves a bundle with a certificate too many, which the next one drops.
 */
import { randomBytes, X509Certificate } from 'node:crypto'
import {
  type KeyPair,
  newAuthority,
  newServerCertificate,
  type Validity,
} from '@fleetloom/shared/certificates/authority'

/** What the Secret holds. */
export type Authority = {
  readonly current: KeyPair
  /** Path under which the API server asks, which nobody else knows; a replaced authority keeps it. '' where the Secret holds none. */
  readonly path: string
  /** Certificate of the authority before, PEM. */
  readonly previous?: string
}

/** A path that nobody guesses. The API server takes lower case letters, digits, dots and dashes in one. */
export const newPath = (): string => `/validate/${randomBytes(32).toString('hex')}`

const PATH = /^\/validate\/[0-9a-f]{64}$/

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** Clocks of API servers may be behind ours by this. */
const BACKDATE_MS = 5 * MINUTE_MS
const AUTHORITY_MS = 365 * DAY_MS
const SERVER_MS = 30 * DAY_MS
const NAME = 'Fleetloom admission'

const validFrom = (nowMs: number, lengthMs: number): Validity => ({
  notBefore: new Date(nowMs - BACKDATE_MS),
  notAfter: new Date(nowMs + lengthMs),
})

export const newAdmissionAuthority = (nowMs: number): Promise<KeyPair> =>
  newAuthority(NAME, validFrom(nowMs, AUTHORITY_MS))

/** Whether two thirds of a certificate's life are over. */
export const isAging = (certificate: string, nowMs: number): boolean => {
  const { validFromDate, validToDate } = new X509Certificate(certificate)
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()]
  return nowMs >= from + ((to - from) * 2) / 3
}

const hasEnded = (certificate: string, nowMs: number): boolean =>
  new X509Certificate(certificate).validToDate.getTime() <= nowMs

/** Certificates that the API server is to trust, PEM. */
export const bundleOf = (
  { current, previous }: Omit<Authority, 'path'>,
  successor: KeyPair | undefined,
  nowMs: number,
): string => {
  const earlier = previous !== undefined && !hasEnded(previous, nowMs) ? [previous] : []
  return [...(successor ? [successor.certificate] : []), current.certificate, ...earlier]
    .map((pem) => `${pem.trim()}\n`)
    .join('')
}

/** The Secret's next content. */
export const succeeded = ({ current, path }: Authority, successor: KeyPair): Authority => ({
  current: successor,
  path,
  previous: current.certificate,
})

const decoded = (data: Readonly<Record<string, string>>, key: string): string | undefined => {
  const text = data[key]
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString()
}

const isCertificate = (text: string): boolean => {
  try {
    return new X509Certificate(text).ca
  } catch {
    return false
  }
}

/** The authority in a Secret's `data`; undefined when it holds none that can be used, or one that has ended. */
export const authorityOf = (data: Readonly<Record<string, string>>, nowMs: number): Authority | undefined => {
  const [certificate, key] = [decoded(data, 'ca.crt'), decoded(data, 'ca.key')]
  const previous = decoded(data, 'previous.crt')
  if (!certificate || !key || !isCertificate(certificate) || hasEnded(certificate, nowMs)) return undefined
  const path = decoded(data, 'path') ?? ''
  const kept = PATH.test(path) ? path : ''
  return { current: { certificate, key }, path: kept, ...(previous && isCertificate(previous) && { previous }) }
}

/** The texts of a Secret. */
export const secretDataOf = ({ current, path, previous }: Authority): Readonly<Record<string, string>> => ({
  'ca.crt': current.certificate,
  'ca.key': current.key,
  path,
  ...(previous !== undefined && { 'previous.crt': previous }),
})

type Shown = { readonly signer: string; readonly names: string; readonly pair: KeyPair }

/** Gives a server certificate of an authority for some names: the same one until it is two thirds through, or another is due. */
export const serverCertificates = () => {
  let shown: Shown | undefined
  return async (authority: KeyPair, names: readonly string[], nowMs: number): Promise<KeyPair> => {
    const wanted = { signer: authority.certificate, names: names.join() }
    const isGood =
      shown?.signer === wanted.signer && shown.names === wanted.names && !isAging(shown.pair.certificate, nowMs)
    if (shown && isGood) return shown.pair
    const pair = await newServerCertificate(authority, names, validFrom(nowMs, SERVER_MS))
    shown = { ...wanted, pair }
    return pair
  }
}
