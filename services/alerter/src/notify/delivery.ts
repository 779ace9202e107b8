/** One transition on its way to one webhook, and the record of it while it has to wait. */
import type { StoredRecord } from '@fleetloom/shared/alerts/records'
import type { Receiver } from '@fleetloom/shared/alerts/rule-document'
import { type Transition, transition } from '@fleetloom/shared/alerts/transition'
import { z } from 'zod'
import { receiverKey } from './receivers.ts'

export type WebhookReceiver = Extract<Receiver, { kind: 'webhook' }>

export type Delivery = {
  /** Sequence of the transition in the alert stream, and place of the receiver in its list. */
  readonly seq: number
  readonly index: number
  readonly transition: Transition
  readonly receiver: WebhookReceiver
  readonly firstMs: number
  /** Length of the transition, which is most of its record. */
  readonly bytes: number
  attempts: number
  nextMs: number
  /** Whether a record of it is in the bucket: then it outlives this process. */
  isParked: boolean
  /** Aborted once nothing remains to be done for it: it was taken or set aside. */
  readonly over: AbortController
  /** Its parking, when that began while it waited for others or for an answer. */
  parking: Promise<void> | undefined
  /** Parks it when its first attempt takes too long. */
  impatience: NodeJS.Timeout | undefined
  /** Called once its fate can't be lost any more. */
  settle: () => void
}

/** Deliveries of one lane follow each other: those of one alert to one receiver. */
export const laneOf = ({ transition, receiver }: Delivery): string =>
  `${receiverKey(transition.namespace, receiver.url)}\n${transition.ruleUid}\n${transition.device}`

export const parkedRecord = z.object({
  version: z.string(),
  /** As the receiver is to hear of it; the stream may give up its own by then. */
  transition,
  attempts: z.number().int(),
  /** ms since the epoch, as is the other. */
  nextMs: z.number(),
  firstMs: z.number(),
})

/** KV key of a delivery that waits. */
export const parkedKey = (partition: number, { seq, index }: Pick<Delivery, 'seq' | 'index'>): string =>
  `delivery.${partition}.${seq}.${index}`

export const parkedValue = ({ transition, attempts, nextMs, firstMs }: Delivery): string =>
  JSON.stringify({ version: '1.0', transition, attempts, nextMs: Math.round(nextMs), firstMs })

/** The webhooks that are to hear of a transition. */
export const deliveriesOf = (transition: Transition, seq: number, nowMs: number): Delivery[] => {
  const bytes = Buffer.byteLength(JSON.stringify(transition))
  return transition.notify.flatMap((receiver, index) =>
    receiver.kind === 'webhook' ? [{ ...fresh(), seq, index, transition, receiver, bytes, firstMs: nowMs }] : [],
  )
}

const fresh = () => ({
  attempts: 0,
  nextMs: 0,
  isParked: false,
  over: new AbortController(),
  parking: undefined,
  impatience: undefined,
  settle: () => undefined,
})

const parsed = (value: Uint8Array): z.infer<typeof parkedRecord> | undefined => {
  try {
    return parkedRecord.safeParse(JSON.parse(new TextDecoder().decode(value))).data
  } catch {
    return undefined
  }
}

/** A delivery out of its record; undefined when that can't be read. */
export const parkedDelivery = ({ key, value }: Pick<StoredRecord, 'key' | 'value'>): Delivery | undefined => {
  const [, , seq = 0, index = 0] = key.split('.').map(Number)
  const record = parsed(value)
  const receiver = record?.transition.notify[index]
  if (!record || receiver?.kind !== 'webhook') return undefined
  const { version: _, ...rest } = record
  return { ...fresh(), ...rest, seq, index, receiver, bytes: value.length, isParked: true }
}
