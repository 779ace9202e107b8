/**
 * X.509 certificate revocation lists (RFC 5280 section 5), made and checked. Written here because a list of
 * `@peculiar/x509` costs the square of its entries (measured: 0.4 s for 2,000) and can't be read back beyond some thousand.
 */
import { type KeyObject, sign, verify } from 'node:crypto'
import { element, elements, integer, oid, sequence, TAGS, time } from './der.ts'

/** Why a certificate is on the list. `certificateHold` may come off it again. */
const REASONS = { unspecified: undefined, certificateHold: 6 } as const

export type RefusedCertificate = {
  /** Hexadecimal. */
  readonly serial: string
  readonly since: Date
  readonly reason: keyof typeof REASONS
}

/** Who signs: an ECDSA key, the issuer's name in DER and its key identifier. */
export type ListSigner = { readonly key: KeyObject; readonly name: Uint8Array; readonly keyId: Uint8Array }

const ECDSA_WITH_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))
const VERSION_2 = integer('1')

const extension = (id: string, value: Uint8Array): Buffer => sequence(oid(id), element(TAGS.octetString, value))

const entryOf = ({ serial, since, reason }: RefusedCertificate): Buffer => {
  const code = REASONS[reason]
  const extensions =
    code === undefined ? [] : [sequence(extension('2.5.29.21', element(TAGS.enumerated, Buffer.from([code]))))]
  return sequence(integer(serial), time(since), ...extensions)
}

export type Times = { readonly thisUpdate: Date; readonly nextUpdate: Date }

/** The list in DER. Its number is the second of its `thisUpdate`. */
export const revocationList = (
  { key, name, keyId }: ListSigner,
  refused: readonly RefusedCertificate[],
  { thisUpdate, nextUpdate }: Times,
): Buffer => {
  const number = Math.floor(thisUpdate.getTime() / 1000).toString(16)
  const extensions = sequence(
    extension('2.5.29.35', sequence(element(0x80, keyId))),
    extension('2.5.29.20', integer(number)),
  )
  const signed = sequence(
    ...[VERSION_2, ECDSA_WITH_SHA256, name, time(thisUpdate), time(nextUpdate)],
    ...(refused.length === 0 ? [] : [sequence(...refused.map(entryOf))]),
    element(TAGS.explicit0, extensions),
  )
  const signature = element(TAGS.bitString, Buffer.from([0]), sign('sha256', signed, key))
  return sequence(signed, ECDSA_WITH_SHA256, signature)
}

/** Whether `bytes` are one whole list that the key's owner signed. Never throws. */
export const isSignedList = (bytes: Buffer, key: KeyObject): boolean => {
  try {
    const [list, ...more] = elements(bytes)
    const [signed, algorithm, signature] = elements(list?.content ?? Buffer.alloc(0))
    const isList = list?.tag === TAGS.sequence && signature?.tag === TAGS.bitString && signature.content[0] === 0
    if (!isList || !signed || more.length > 0 || !algorithm?.whole.equals(ECDSA_WITH_SHA256)) return false
    return verify('sha256', signed.whole, key, signature.content.subarray(1))
  } catch {
    return false
  }
}

/** DER as the text that brokers read. */
export const listPem = (der: Buffer): string =>
  `-----BEGIN X509 CRL-----\n${der.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END X509 CRL-----\n`
