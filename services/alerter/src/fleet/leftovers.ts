/**
 * Alerts of a fleet that is gone that no checkpoint knows of: they fired after the last one, and the stream that they were found in is
 * gone too. The records of what fires name them, and the last transition of each in the alert stream says whether it still does.
 */
import { deviceToken, type Ref } from '@fleetloom/crds/names'
import { allRecords, firingSince, parseTransition, recordFilter } from '@fleetloom/shared/alerts/records'
import { subjectOf, type Transition, transitionId } from '@fleetloom/shared/alerts/transition'
import type { AlerterParts } from './parts.ts'

/** The end of an alert, right behind its last transition. */
export const endOf = (last: Transition): Transition => {
  const { value: _, ...rest } = last
  const end = {
    ...rest,
    ...({ from: 'firing', to: 'resolved', cause: 'fleet-removed' } as const),
    atMicros: last.atMicros + 1,
    firingSinceMicros: firingSince(last),
  }
  return { ...end, id: transitionId(end) }
}

const lastOf = async ({ names, nats }: AlerterParts, one: Transition): Promise<Transition | undefined> => {
  const subject = subjectOf(names, one)
  const last_by_subj = `${subject.slice(0, subject.lastIndexOf(`.${deviceToken(one.device)}.`))}.${deviceToken(one.device)}.*`
  const message = await nats.jsm.streams.getMessage(names.alertStream, { last_by_subj })
  return message ? parseTransition(message.data) : undefined
}

/** What of a fleet still fires by the alert stream, and its end. */
export const leftovers = async (parts: AlerterParts, fleet: Ref): Promise<Transition[]> => {
  const { names, nats } = parts
  const ends: Transition[] = []
  const filter = recordFilter('firing', { namespace: fleet.namespace })
  for await (const { value } of allRecords(nats.jsm, names.buckets.alerts, filter)) {
    const record = parseTransition(value)
    if (record?.fleet !== fleet.name) continue
    // What left the stream was told long ago, and the record is what came of it.
    const last = (await lastOf(parts, record)) ?? record
    if (last.to === 'firing' && last.ruleUid === record.ruleUid) ends.push(endOf(last))
  }
  return ends
}
