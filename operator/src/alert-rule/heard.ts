/**
 * What subscribers over MQTT are still to hear of a rule's alerts. An end goes to the topics that the alert fired with, which the rule
 * may no longer name, and the right to publish there must be kept until then.
 */
import { MQTT_CONSUMER, type Names } from '@fleetloom/crds/names'
import { allRecords, parseTransition, recordFilter } from '@fleetloom/shared/alerts/records'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { Nats } from '@fleetloom/shared/nats'
import type { Metadata } from '../source/source.ts'
import { alertFilters } from '../targets/broker/alerter-account.ts'
import { orAbsent } from '../targets/stream/stream-target.ts'

export type Heard = { readonly nats: Pick<Nats, 'jsm'>; readonly names: Names }
type Rule = Pick<Metadata, 'namespace' | 'name' | 'uid'>

async function* recordsOf({ nats, names }: Heard, rule: Rule, kind: 'firing' | 'resolved'): AsyncGenerator<Transition> {
  const filter = recordFilter(kind, { namespace: rule.namespace, rule: rule.name })
  for await (const { value } of allRecords(nats.jsm, names.buckets.alerts, filter)) {
    const one = parseTransition(value)
    if (one?.ruleUid === rule.uid) yield one
  }
}

/** Filters of the topics on which the ends of what fires, and of what has ended lately, are told. */
export const endFilters = async (heard: Heard, rule: Rule): Promise<readonly string[]> => {
  const filters = new Set<string>()
  for (const kind of ['firing', 'resolved'] as const)
    for await (const one of recordsOf(heard, rule, kind)) for (const filter of alertFilters(one)) filters.add(filter)
  return [...filters]
}

/** Whether nothing of the rule fires and all that happened was told over MQTT. */
export const allHeard = async (heard: Heard, rule: Rule): Promise<boolean> => {
  for await (const _ of recordsOf(heard, rule, 'firing')) return false
  const { nats, names } = heard
  const last = await nats.jsm.streams.getMessage(names.alertStream, { last_by_subj: names.alertSubjectsOf(rule) })
  if (!last) return true
  const consumer = await orAbsent(nats.jsm.consumers.info(names.alertStream, MQTT_CONSUMER))
  return (consumer?.ack_floor.stream_seq ?? 0) >= last.seq
}
