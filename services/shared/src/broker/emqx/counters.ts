/**
 * What EMQX holds for ingest's sessions and what it dropped, asked for every few seconds. EMQX tells messages, not bytes.
 * Its figures of a session lag by up to 15 s; drops are those of all sessions of all nodes since each started.
 */
import { namesOf } from '@fleetloom/crds/names'
import { z } from 'zod'
import { type Logger, messageOf } from '../../process/logger.ts'
import type { QueueCounters } from '../broker.ts'
import { listAll } from './api.ts'
import type { Limits } from './limits.ts'
import type { Rest } from './rest.ts'

const POLL_MS = 5_000
const TIMEOUT_MS = 4_000

const session = z.object({
  clientid: z.string(),
  mqueue_len: z.number(),
  inflight_cnt: z.number(),
  mqueue_max: z.union([z.number(), z.string()]),
  inflight_max: z.number(),
})
export type IngestSession = z.infer<typeof session>

/** What EMQX gives a session whose zone says nothing; ingest itself asks for more. */
const STOCK_INFLIGHT = 32

const FIELDS = Object.keys(session.shape).join()
const metrics = z.record(z.string(), z.unknown())

/** Lost for a session that was there: its queue was full, the message had expired, or was larger than the client takes. */
const DROPPED = ['delivery.dropped.queue_full', 'delivery.dropped.expired', 'delivery.dropped.too_large'] as const

export const countersOf = (
  sessions: readonly IngestSession[],
  totals: Readonly<Record<string, unknown>>,
): QueueCounters => ({
  queuedMessages: sessions.reduce((sum, { mqueue_len, inflight_cnt }) => sum + mqueue_len + inflight_cnt, 0),
  droppedMessages: DROPPED.reduce((sum, name) => sum + Number(totals[name] ?? 0), 0),
})

/**
 * Which session has a smaller queue than it should: the zone of its listener is not as it must be, or the session is
 * older than the setting.
 */
export const smallQueue = (
  sessions: readonly IngestSession[],
  { maxInflight, maxQueuedMessages }: Limits,
): string | undefined => {
  const small = sessions.find(
    ({ mqueue_max, inflight_max }) => Number(mqueue_max) < maxQueuedMessages || inflight_max <= STOCK_INFLIGHT,
  )
  return (
    small &&
    `broker session ${small.clientid} has room for ${small.inflight_max} messages in flight and ${small.mqueue_max} queued; ` +
      `the zone of its listener must set mqtt.max_inflight to ${maxInflight} and mqtt.max_mqueue_len to ${maxQueuedMessages}, and ingest connect anew`
  )
}

export type Counters = Disposable & { latest(): QueueCounters | undefined }

type Parts = { readonly rest: Rest; readonly installation: string; readonly limits: Limits; readonly log: Logger }

const look = async ({ rest, installation }: Parts) => {
  const prefix = namesOf(installation).ingestUsers
  const found = await listAll(rest, ['clients'], session, [
    ['like_clientid', prefix],
    ['fields', FIELDS],
  ])
  const query = [['aggregate', 'true']] as const
  const { body } = await rest.call({
    method: 'GET',
    path: ['metrics'],
    query,
    expect: [200],
    tries: 1,
    timeoutMs: TIMEOUT_MS,
  })
  return { sessions: found.filter(({ clientid }) => clientid.startsWith(prefix)), totals: metrics.parse(body) }
}

/** Looks from the first call of `latest` on; one look at a time. While the broker is away the last figures stand. */
export const pollCounters = (parts: Parts): Counters => {
  let latest: QueueCounters | undefined
  let warned: string | undefined
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  const again = (): void => {
    if (!isStopped) timer = setTimeout(poll, POLL_MS).unref()
  }
  const poll = (): void => {
    look(parts)
      .then(({ sessions, totals }) => {
        latest = countersOf(sessions, totals)
        const warning = smallQueue(sessions, parts.limits)
        if (warning !== undefined && warning !== warned) parts.log.warn(warning)
        warned = warning
      })
      .catch((error) => parts.log.debug(`counters: ${messageOf(error)}`))
      .finally(again)
  }
  return {
    latest: () => {
      if (timer === undefined && !isStopped) timer = setTimeout(poll, 0).unref()
      return latest
    },
    [Symbol.dispose]: () => {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
