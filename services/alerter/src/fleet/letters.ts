/** What a shard publishes: transitions on the alert stream, and events about who went offline or came back. */
import { createHash } from 'node:crypto'
import type { Names } from '@fleetloom/crds/names'
import { subjectOf, type Transition } from '@fleetloom/shared/alerts/transition'
import { eventHead, eventLine } from '@fleetloom/shared/events/row'
import { batchHeaders } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { PresenceChange } from '@fleetloom/shared/rules/engine/shard'
import type { Letter } from './sender.ts'

/** Its subject ends in its id and is to be empty: what an earlier life has published is refused, which is as good as taken. */
export const transitionLetter = (names: Names, one: Transition): Letter => ({
  order: `${one.ruleUid} ${one.device}`,
  subject: subjectOf(names, one),
  body: JSON.stringify(one),
  options: { expect: { lastSubjectSequence: 0 } },
})

/** The same change has the same digest, so it is one row and counts once however often it is published. */
const digestOf = (uid: string, { device, online, atMs }: PresenceChange): bigint =>
  createHash('sha256').update(`presence\n${uid}\n${device}\n${online}\n${atMs}`).digest().readBigInt64BE()

export const presenceLetter = (fleet: FleetDocument, change: PresenceChange): Letter => {
  const { device, online, atMs } = change
  const digest = digestOf(fleet.uid, change)
  const micros = atMs * 1000
  const event = {
    timed: true,
    unknown: [],
    type: online ? 'device_online' : 'device_offline',
    severity: online ? 'low' : 'medium',
    micros,
  } as const
  const headers = batchHeaders({
    rows: 1,
    firstMicros: micros,
    lastMicros: micros,
    uid: fleet.uid,
    generation: fleet.generation,
    traceLinks: [],
  })
  return {
    order: `presence ${device}`,
    subject: fleet.stream.eventsSubject,
    body: eventLine(eventHead(fleet), event, { device, digest }),
    options: { headers, msgID: `presence-${digest}` },
  }
}
