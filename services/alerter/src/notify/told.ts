/**
 * How an alert's end is told: to those who heard that it fires, with the labels and the severity that it fired with. The rule may have
 * been edited meanwhile, and Alertmanager knows an alert by its labels alone, so an end of another label set would end nothing.
 */
import { firingSince, parseTransition, recordKey } from '@fleetloom/shared/alerts/records'
import { subjectOf, type Transition, transitionId } from '@fleetloom/shared/alerts/transition'
import { readTransition } from './alert-records.ts'
import type { NotifyParts } from './parts.ts'

type Stores = Pick<NotifyParts, 'kv' | 'nats' | 'names'>

/** The end as those hear it who heard of the beginning. A webhook that the rule still names is told with the secret that it has now. */
export const asItFired = (end: Transition, { severity, labels, notify }: Transition): Transition => {
  const secretsNow = new Map(end.notify.flatMap((one) => (one.kind === 'webhook' ? [[one.url, one] as const] : [])))
  const receivers = notify.map((one) => (one.kind === 'webhook' ? (secretsNow.get(one.url) ?? one) : one))
  return { ...end, severity, labels, notify: receivers }
}

/** Its own record, or that of its end when it was told before: both are as it fired. */
const recorded = async ({ kv }: Stores, end: Transition): Promise<Transition | undefined> => {
  const firing = await readTransition(kv, recordKey('firing', end))
  if (firing?.ruleUid === end.ruleUid && firingSince(firing) === firingSince(end)) return firing
  const resolved = await readTransition(kv, recordKey('resolved', end))
  return resolved?.id === end.id ? resolved : undefined
}

/** Where there is no record (its bucket was full, or another lane is behind) the stream has it. */
const streamed = async ({ nats, names }: Stores, end: Transition): Promise<Transition | undefined> => {
  const began = { ...end, to: 'firing', atMicros: firingSince(end) } as const
  const last_by_subj = subjectOf(names, { ...began, id: transitionId(began) })
  const message = await nats.jsm.streams.getMessage(names.alertStream, { last_by_subj })
  return message ? parseTransition(message.data) : undefined
}

/** A transition as its receivers are to hear of it. Rejects where the stores do not answer. */
export const toldOf = async (stores: Stores, one: Transition): Promise<Transition> => {
  if (one.to !== 'resolved') return one
  const began = (await recorded(stores, one)) ?? (await streamed(stores, one))
  return began ? asItFired(one, began) : one
}
