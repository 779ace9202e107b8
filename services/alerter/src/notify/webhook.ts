/**
 * One POST to a webhook. Redirects are not followed: they would lead past the check of the address. What the answer means:
 *
 * - 2xx: taken.
 * - 3xx, and statuses that say that this request will never do (400, 405, 410, 413, 414, 415, 422, 431): refused, not tried again.
 * - everything else, and no answer within the time: tried again. Wrong credentials too: somebody may be about to mend them.
 */
import http from 'node:http'
import https from 'node:https'
import type { BlockList } from 'node:net'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { messageOf } from '@fleetloom/shared/process/logger'
import { checkedAddress, RefusedAddress } from './address.ts'
import { messageOfTransition, signatureOf } from './message.ts'
import type { Outcome } from './outcome.ts'
import { resolveName } from './resolve.ts'

export type WebhookSettings = {
  readonly timeoutMs: number
  /** Networks that may be reached beside the public internet. */
  readonly allowed: BlockList
  readonly now: () => number
}

const HOPELESS = new Set([400, 405, 410, 413, 414, 415, 422, 431])
/** What an overloaded receiver may ask for. */
const LONGEST_WAIT_MS = 3_600_000

/** ms that `Retry-After` asks for, as seconds or as a date; undefined when it asks for nothing. */
export const retryAfterMs = (header: string | undefined, nowMs: number): number | undefined => {
  if (header === undefined) return undefined
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_WAIT_MS)
}

/** What a status means. */
export const outcomeOf = (status: number, retryAfter: string | undefined, nowMs: number): Outcome => {
  if (status >= 200 && status < 300) return { kind: 'sent' }
  const reason = `HTTP ${status}`
  if (status >= 300 && status < 400) return { kind: 'refused', reason: `${reason}: redirects are not followed` }
  if (HOPELESS.has(status)) return { kind: 'refused', reason }
  const afterMs = retryAfterMs(retryAfter, nowMs)
  return { kind: 'retry', reason, ...(afterMs === undefined ? {} : { afterMs }) }
}

type Exchange = { readonly status: number; readonly retryAfter: string | undefined }

/** Connections stay open for a while: each led to an address that was checked. */
const KEPT = { keepAlive: true, maxFreeSockets: 8, timeout: 30_000 } as const
const agents = { 'http:': new http.Agent(KEPT), 'https:': new https.Agent(KEPT) }

/** What a receiver says beyond its status is of no interest; more than this ends the connection. */
const MOST_ANSWER = 64 * 1024

const passOver = (response: http.IncomingMessage): void => {
  let bytes = 0
  response.on('error', () => undefined)
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MOST_ANSWER) response.destroy()
  })
}

const post = (url: URL, options: https.RequestOptions, body: string): Promise<Exchange> =>
  new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(url, options, (response) => {
      resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] })
      passOver(response)
    })
    request.on('error', (error) => reject(Object.assign(error, { wasReused: request.reusedSocket })))
    request.end(body)
  })

/** A connection that was kept may have been closed by the receiver just then: that says nothing of the receiver. */
const postKept = async (url: URL, options: https.RequestOptions, body: string): Promise<Exchange> => {
  try {
    const agent = url.protocol === 'https:' ? agents['https:'] : agents['http:']
    return await post(url, { ...options, agent }, body)
  } catch (error) {
    if (isTimeout(error) || !(error instanceof Error && 'wasReused' in error && error.wasReused)) throw error
    return post(url, { ...options, agent: false }, body)
  }
}

const headersOf = (one: Transition, body: string, secret: Uint8Array | undefined, nowMs: number) => {
  const seconds = Math.floor(nowMs / 1000)
  return {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': 'fleetloom-alerter',
    'idempotency-key': one.id,
    'fleetloom-timestamp': String(seconds),
    ...(secret === undefined ? {} : { 'fleetloom-signature': signatureOf(secret, seconds, body) }),
  }
}

type WebhookTarget = {
  readonly url: string
  readonly secret: Uint8Array | undefined
  /** Ends the attempt. */
  readonly signal: AbortSignal
}

/** Never rejects. */
export const postWebhook = async (
  one: Transition,
  { url, secret, signal: ended }: WebhookTarget,
  { timeoutMs, allowed, now }: WebhookSettings,
): Promise<Outcome> => {
  if (!URL.canParse(url)) return { kind: 'refused', reason: 'the address is no URL' }
  try {
    const target = new URL(url)
    const signal = AbortSignal.any([ended, AbortSignal.timeout(timeoutMs)])
    const address = await checkedAddress(target.hostname, allowed, (name) => resolveName(name, signal))
    const body = messageOfTransition(one)
    const lookup: http.RequestOptions['lookup'] = (_, { all }, found) =>
      all ? found(null, [address]) : found(null, address.address, address.family)
    const options = { method: 'POST', headers: headersOf(one, body, secret, now()), lookup, signal }
    const { status, retryAfter } = await postKept(target, options, body)
    return outcomeOf(status, retryAfter, now())
  } catch (error) {
    if (error instanceof RefusedAddress) return { kind: 'refused', reason: error.message }
    return { kind: 'retry', reason: isTimeout(error) ? `no answer within ${timeoutMs} ms` : messageOf(error) }
  }
}

const isTimeout = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError')

/** The receiver as people may see it: a path or query may hold a secret. */
export const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : 'an address that is no URL')
