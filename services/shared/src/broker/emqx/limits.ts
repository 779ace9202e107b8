/**
 * What EMQX must be told so that it queues before it drops, and the change of its global zone that says so. Pure.
 *
 * EMQX's defaults lose data: 32 messages in flight to a session and 1,000 queued behind them, of which the *oldest* is
 * dropped while devices go on to see success. It also shuts a session down, queue and all, whose process holds more than
 * 32 MB or 1,000 messages not yet looked at; both bounds are raised along with the queue. A larger value that somebody
 * set stays; a queue without a bound gets one.
 */
import { z } from 'zod'
import { bytesOf, secondsOf } from './units.ts'

export type Limits = {
  /**
   * Where ingest's limits are kept. `global`: in the global zone, written here, for the sessions of devices too.
   * `static`: in a zone and a listener of ingest's own, which only EMQX's configuration file can make; here the global
   * zone's queues are left alone.
   */
  readonly zone: 'global' | 'static'
  /** Messages in flight to a session; EMQX takes the lesser of this and the client's Receive Maximum. 1 to 65,535. */
  readonly maxInflight: number
  /** Messages queued for a session before the oldest is dropped. */
  readonly maxQueuedMessages: number
  /** How long sessions of MQTT 3.1.1 clients are kept, such as `2h`; MQTT 5 clients say it themselves. Left out: as it is. */
  readonly sessionExpiry?: string | undefined
  /**
   * Messages a second that one connection may send on a listener of the default zone, such as `100/s`; beyond it EMQX
   * reads no further for a while, and loses none.
   */
  readonly messagesRate?: string | undefined
}

/** Twice what ingest takes at once by default, and a million messages. */
export const DEFAULT_LIMITS: Limits = {
  zone: 'global',
  maxInflight: 8_192,
  maxQueuedMessages: 1_000_000,
}

/**
 * Heap of one queued message while the process collects garbage; payloads over 64 bytes lie outside the heap. An
 * estimate, on the high side.
 */
const HEAP_BYTES_PER_MESSAGE = 2_048
const MEBIBYTE = 1_024 ** 2

export const zone = z.looseObject({
  mqtt: z.looseObject({
    use_username_as_clientid: z.boolean(),
    clientid_override: z.string().optional(),
    peer_cert_as_username: z.string(),
    max_inflight: z.number(),
    max_mqueue_len: z.union([z.number(), z.string()]),
    session_expiry_interval: z.string(),
    shared_subscription_strategy: z.string(),
  }),
  force_shutdown: z.looseObject({
    enable: z.boolean(),
    max_heap_size: z.union([z.string(), z.number()]),
    max_mailbox_size: z.number(),
  }),
})

export type Zone = z.infer<typeof zone>

type Setting = { readonly root: 'mqtt' | 'force_shutdown'; readonly key: string; readonly value: unknown }

const always = ({ mqtt }: Zone, { sessionExpiry }: Limits): (Setting | false)[] => [
  !mqtt.use_username_as_clientid && { root: 'mqtt', key: 'use_username_as_clientid', value: true },
  (mqtt.clientid_override ?? 'disabled') !== 'disabled' && {
    root: 'mqtt',
    key: 'clientid_override',
    value: 'disabled',
  },
  mqtt.shared_subscription_strategy !== 'hash_topic' && {
    root: 'mqtt',
    key: 'shared_subscription_strategy',
    value: 'hash_topic',
  },
  sessionExpiry !== undefined &&
    secondsOf(mqtt.session_expiry_interval) !== secondsOf(sessionExpiry) && {
      root: 'mqtt',
      key: 'session_expiry_interval',
      value: sessionExpiry,
    },
]

const queues = (
  { mqtt, force_shutdown: shutdown }: Zone,
  { maxInflight, maxQueuedMessages }: Limits,
): (Setting | false)[] => {
  const heap = maxQueuedMessages * HEAP_BYTES_PER_MESSAGE
  const queue = Number(mqtt.max_mqueue_len)
  return [
    mqtt.max_inflight < maxInflight && { root: 'mqtt', key: 'max_inflight', value: maxInflight },
    !(queue >= maxQueuedMessages) && { root: 'mqtt', key: 'max_mqueue_len', value: maxQueuedMessages },
    shutdown.enable &&
      !(bytesOf(shutdown.max_heap_size) >= heap) && {
        root: 'force_shutdown',
        key: 'max_heap_size',
        value: `${Math.ceil(heap / MEBIBYTE)}MB`,
      },
    shutdown.enable &&
      shutdown.max_mailbox_size < maxQueuedMessages && {
        root: 'force_shutdown',
        key: 'max_mailbox_size',
        value: maxQueuedMessages,
      },
  ]
}

/** What is to be changed in the global zone. */
export const zoneSettings = (have: Zone, limits: Limits): Setting[] =>
  [...always(have, limits), ...(limits.zone === 'global' ? queues(have, limits) : [])].filter(
    (setting) => setting !== false,
  )

/** What makes the user name the certificate's CN wherever a client has one. */
export const certificateNames = ({ mqtt }: Zone): Setting[] =>
  mqtt.peer_cert_as_username === 'cn' ? [] : [{ root: 'mqtt', key: 'peer_cert_as_username', value: 'cn' }]

/** The zone with the changes: EMQX refuses a PUT that leaves a root out. */
export const zoneWith = (have: Zone, settings: readonly Setting[]): Zone => {
  const changed = structuredClone(have) as Record<string, Record<string, unknown>>
  for (const { root, key, value } of settings) (changed[root] as Record<string, unknown>)[key] = value
  return changed as Zone
}

/** The changes in words. */
export const zoneWords = (have: Zone, settings: readonly Setting[]): string[] =>
  settings.map(({ root, key, value }) => `broker zone: ${root}.${key} was ${have[root][key]}, is now ${value}`)
