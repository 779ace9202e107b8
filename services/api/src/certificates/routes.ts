/**
 * The revocation list, open to all: it holds serial numbers, and brokers that read it hold no key. It is signed anew when it has changed
 * and once an hour; whoever sends the ETag of what it has gets 304 until then, from any replica.
 */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import type { ApiEnv } from '../http/env.ts'
import { Problem } from '../http/problem.ts'
import type { DeviceCa } from './ca.ts'
import { notConfigured } from './not-configured.ts'
import type { RefusedCertificates } from './refused.ts'

const SIGN_AFTER_MS = 3_600_000

export type RevocationParts = {
  /** Absent where no CA is configured. */
  readonly ca: Pick<DeviceCa, 'revocationList'> | undefined
  readonly refused: Pick<RefusedCertificates, 'list' | 'version'>
  /** Whether `refused` is what the registry says; a list that a blind replica signed would let revoked certificates in again. */
  readonly isCurrent: () => boolean
  readonly now: () => Date
}

type Signed = { readonly key: string; readonly etag: string; readonly list: Buffer }

const etagOf = (refused: ReturnType<RefusedCertificates['list']>, period: number): string => {
  const text = refused.map(({ serial, reason }) => `${serial} ${reason}`).join('\n')
  return `"${createHash('sha256').update(`${period}\n${text}`).digest('base64url')}"`
}

const blind = (): Problem =>
  new Problem('unavailable', 'the registry can not be read at the moment, so what was revoked lately is not known', {
    next: 'Go on with the list that you have, and send it again in a while.',
  })

/** `/v1/device-ca` */
export const deviceCaRoutes = ({ ca, refused, isCurrent, now }: RevocationParts): Hono<ApiEnv> => {
  let held: Signed | undefined
  const current = (): Signed => {
    if (ca === undefined) throw notConfigured()
    if (!isCurrent()) throw blind()
    const at = now()
    const period = Math.floor(at.getTime() / SIGN_AFTER_MS)
    const key = `${refused.version}/${period}`
    if (held?.key === key) return held
    const refusedNow = refused.list(at)
    held = { key, etag: etagOf(refusedNow, period), list: ca.revocationList(refusedNow, at) }
    return held
  }
  return new Hono<ApiEnv>().get('/crl', (c) => {
    const { etag, list } = current()
    c.header('etag', etag)
    c.header('cache-control', 'no-cache')
    if (c.req.header('if-none-match') === etag) return c.body(null, 304)
    return c.body(new Uint8Array(list), 200, { 'content-type': 'application/pkix-crl' })
  })
}
