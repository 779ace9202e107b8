/** What a fleet wants of its stream, and what is there. */

import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { type Names, type Ref, WRITER_CONSUMER } from '@fleetloom/crds/names'
import { quantityBytes } from '@fleetloom/crds/units'

export type StreamWant = {
  readonly name: string
  readonly subjects: readonly string[]
  readonly maxBytes: number
  readonly replicas: number
  readonly metadata: Readonly<Record<string, string>>
  readonly consumer: { readonly name: string; readonly filter: string }
}

/** Settings that no fleet chooses. */
export const STREAM_SETTINGS = {
  storage: 'file',
  retention: 'limits',
  discard: 'new',
  max_age: 0,
  max_msgs: -1,
  max_msgs_per_subject: -1,
  max_msg_size: -1,
  allow_direct: true,
} as const

/**
 * `ack_wait` is how long the batches of a killed writer wait for the next; the writer extends it while it works on one.
 * `max_ack_pending` only has to be more than a writer holds, which it bounds itself, by bytes.
 */
export const CONSUMER_SETTINGS = {
  ack_policy: 'explicit',
  deliver_policy: 'all',
  ack_wait: 15_000_000_000,
  max_ack_pending: 10_000,
  max_deliver: -1,
} as const

type ServerStream = {
  readonly subjects?: readonly string[]
  readonly storage: string
  readonly retention: string
  readonly discard: string
  readonly max_age: number
  readonly max_msgs: number
  readonly max_msgs_per_subject: number
  readonly max_msg_size: number
  readonly max_bytes: number
  readonly num_replicas: number
  readonly allow_direct?: boolean
  readonly metadata: Readonly<Record<string, string>>
}

type ServerConsumer = {
  readonly ack_policy: string
  readonly ack_wait?: number
  readonly max_ack_pending?: number
  readonly max_deliver?: number
  readonly filter_subject?: string
  readonly filter_subjects?: readonly string[]
  /** Last sequence up to which everything was acknowledged. */
  readonly ackFloor: number
}

export type StreamHave = { readonly stream: ServerStream | undefined; readonly consumer: ServerConsumer | undefined }

export const INSTALLATION_KEY = 'fleetloom.installation'
export const UID_KEY = 'fleetloom.uid'

/** Pure: the same spec gives the same value. */
export const streamWant = (fleet: Ref, uid: string, { stream }: DeviceFleetSpec, names: Names): StreamWant => ({
  name: names.stream(fleet),
  subjects: [names.streamSubjects(fleet)],
  maxBytes: quantityBytes(stream.maxBytes),
  replicas: stream.replicas,
  metadata: { [INSTALLATION_KEY]: names.installation, [UID_KEY]: uid },
  consumer: { name: WRITER_CONSUMER, filter: names.streamSubjects(fleet) },
})
