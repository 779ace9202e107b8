/**
 * Keeps the record of what fires in step with the transitions. Each record is changed by compare and set and only forward in event
 * time, so a repeat, or an owner of before who is late, changes nothing. A rule that was removed and made anew has another UID: the
 * end of the old one's alert leaves the new one's alone.
 */
import { parseTransition, recordKey } from '@fleetloom/shared/alerts/records'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { KV } from '@nats-io/kv'

type Held = { readonly one: Transition | undefined; readonly revision: number }

const held = async (kv: Pick<KV, 'get'>, key: string): Promise<Held> => {
  const entry = await kv.get(key)
  const one = entry?.operation === 'PUT' ? parseTransition(entry.value) : undefined
  return { one, revision: entry?.revision ?? 0 }
}

/** The transition that a record holds; undefined when there is none. */
export const readTransition = async (kv: Pick<KV, 'get'>, key: string): Promise<Transition | undefined> =>
  (await held(kv, key)).one

/** Whether what is held says that `one` is of the past. */
const isPast = ({ one: known }: Held, one: Transition): boolean => {
  if (known === undefined) return false
  return known.ruleUid === one.ruleUid ? known.atMicros >= one.atMicros : known.atMicros > one.atMicros
}

const put = (kv: KV, key: string, one: Transition, { revision }: Held): Promise<number> =>
  kv.put(key, JSON.stringify(one), { previousSeq: revision })

const noteFiring = async (kv: KV, one: Transition, firing: Held, resolved: Held): Promise<void> => {
  if (!isPast(resolved, one) && !isPast(firing, one)) await put(kv, recordKey('firing', one), one, firing)
}

const noteResolved = async (kv: KV, one: Transition, firing: Held, resolved: Held): Promise<void> => {
  if (!isPast(resolved, one)) await put(kv, recordKey('resolved', one), one, resolved)
  const ends = firing.one?.ruleUid === one.ruleUid && firing.one.atMicros <= one.atMicros
  if (ends) await kv.delete(recordKey('firing', one), { previousSeq: firing.revision })
}

/** Rejects when a record was changed meanwhile, or the bucket does not answer: to be tried again. */
export const noteTransition = async (kv: KV, one: Transition): Promise<void> => {
  const [firing, resolved] = await Promise.all([
    held(kv, recordKey('firing', one)),
    held(kv, recordKey('resolved', one)),
  ])
  if (one.to === 'firing') await noteFiring(kv, one, firing, resolved)
  if (one.to === 'resolved') await noteResolved(kv, one, firing, resolved)
}
