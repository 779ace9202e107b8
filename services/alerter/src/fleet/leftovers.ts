/**
 * Alerts that no checkpoint knows of: it can't be used, or they fired after it and the stream that they were found in is gone. The records
 * of what fires name them, and the last transition of each in the alert stream says whether it still does; where the stream has
 * forgotten it, nothing has happened since the record was written.
 */
import { deviceToken, type Ref } from '@fleetloom/crds/names'
import { allRecords, firingSince, parseTransition, recordFilter } from '@fleetloom/shared/alerts/records'
import { type AlertCause, subjectOf, type Transition, transitionId } from '@fleetloom/shared/alerts/transition'
import type { Outside } from './outside.ts'
import type { AlerterParts } from './parts.ts'

type Where = Pick<AlerterParts, 'names' | 'nats'>

/** The end of an alert, right behind its last transition. */
const endOf = (last: Transition, cause: AlertCause): Transition => {
  const { value: _, ...rest } = last
  const end = {
    ...rest,
    ...({ from: 'firing', to: 'resolved', cause } as const),
    atMicros: last.atMicros + 1,
    firingSinceMicros: firingSince(last),
  }
  return { ...end, id: transitionId(end) }
}

/** The ends of those of which nothing more is judged; each is the same whoever finds it, and whenever. */
export const endsOf = (firing: readonly Transition[], outside: Pick<Outside, 'adopt'>): Transition[] =>
  firing.flatMap((last) => {
    const cause = outside.adopt(last)
    return cause === undefined ? [] : [endOf(last, cause)]
  })

const lastOf = async ({ names, nats }: Where, one: Transition): Promise<Transition | undefined> => {
  const subject = subjectOf(names, one)
  const last_by_subj = `${subject.slice(0, subject.lastIndexOf(`.${deviceToken(one.device)}.`))}.${deviceToken(one.device)}.*`
  const message = await nats.jsm.streams.getMessage(names.alertStream, { last_by_subj })
  return message ? parseTransition(message.data) : undefined
}

/** The last transition of everything of some devices of a fleet that still fires by the alert stream. */
export const stillFiring = async (
  where: Where,
  fleet: Ref,
  isWanted: (device: string) => boolean,
): Promise<Transition[]> => {
  const { names, nats } = where
  const firing: Transition[] = []
  const filter = recordFilter('firing', { namespace: fleet.namespace })
  for await (const { value } of allRecords(nats.jsm, names.buckets.alerts, filter)) {
    const record = parseTransition(value)
    if (record?.fleet !== fleet.name || !isWanted(record.device)) continue
    const last = (await lastOf(where, record)) ?? record
    if (last.to === 'firing' && last.ruleUid === record.ruleUid) firing.push(last)
  }
  return firing
}

/** What of a fleet that is gone still fires by the alert stream, and its end. */
export const leftovers = async (where: Where, fleet: Ref): Promise<Transition[]> =>
  (await stillFiring(where, fleet, () => true)).map((last) => endOf(last, 'fleet-removed'))
