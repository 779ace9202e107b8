/**
 * Keeps the record of what fires in step with the transitions. Each record is changed by compare and set and only forward in event
 * time, so a repeat, or an owner of before who is late, changes nothing.
 */
import { parseTransition, recordKey } from '@fleetloom/shared/alerts/records'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { KV } from '@nats-io/kv'

type Held = { readonly at: number; readonly revision: number; readonly isThere: boolean }

const NOTHING: Held = { at: Number.NEGATIVE_INFINITY, revision: 0, isThere: false }

const held = async (kv: KV, key: string): Promise<Held> => {
  const entry = await kv.get(key)
  if (entry === null) return NOTHING
  const one = entry.operation === 'PUT' ? parseTransition(entry.value) : undefined
  return one === undefined
    ? { ...NOTHING, revision: entry.revision }
    : { at: one.atMicros, revision: entry.revision, isThere: true }
}

const put = (kv: KV, key: string, one: Transition, { revision }: Held): Promise<number> =>
  kv.put(key, JSON.stringify(one), { previousSeq: revision })

const noteFiring = async (kv: KV, one: Transition): Promise<void> => {
  const [firing, resolved] = await Promise.all([
    held(kv, recordKey('firing', one)),
    held(kv, recordKey('resolved', one)),
  ])
  if (resolved.at >= one.atMicros || firing.at >= one.atMicros) return
  await put(kv, recordKey('firing', one), one, firing)
}

const noteResolved = async (kv: KV, one: Transition): Promise<void> => {
  const [firing, resolved] = await Promise.all([
    held(kv, recordKey('firing', one)),
    held(kv, recordKey('resolved', one)),
  ])
  if (resolved.at < one.atMicros) await put(kv, recordKey('resolved', one), one, resolved)
  if (firing.isThere && firing.at <= one.atMicros)
    await kv.delete(recordKey('firing', one), { previousSeq: firing.revision })
}

/** Rejects when a record was changed meanwhile, or the bucket does not answer: to be tried again. */
export const noteTransition = async (kv: KV, one: Transition): Promise<void> => {
  if (one.to === 'firing') await noteFiring(kv, one)
  if (one.to === 'resolved') await noteResolved(kv, one)
}
