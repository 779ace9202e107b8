/** What a shard publishes: transitions on the alert stream, and events about who went offline or came back. */
import { createHash } from 'node:crypto'
import type { Names } from '@fleetloom/crds/names'
import { subjectOf, type Transition } from '@fleetloom/shared/alerts/transition'
import { PRESENCE_EVENTS } from '@fleetloom/shared/events/event'
import { eventHead, eventLine } from '@fleetloom/shared/events/row'
import { batchHeaders } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { ShardEngine } from '@fleetloom/shared/rules/engine/engine'
import type { PresenceChange } from '@fleetloom/shared/rules/engine/shard'
import type { Letter } from './sender.ts'

/** What a shard finds in its stream. */
export type Found = { readonly transition: Transition } | { readonly presence: PresenceChange }

/** What it has found since the last call. */
export const foundBy = (engine: Pick<ShardEngine, 'drain' | 'drainPresence'>): Found[] => [
  ...engine.drain().map((transition) => ({ transition })),
  ...engine.drainPresence().map((presence) => ({ presence })),
]

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

const presenceLetter = (fleet: FleetDocument, change: PresenceChange): Letter => {
  const { device, online, atMs } = change
  const digest = digestOf(fleet.uid, change)
  const micros = atMs * 1000
  const event = {
    timed: true,
    unknown: [],
    type: online ? PRESENCE_EVENTS.online : PRESENCE_EVENTS.offline,
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

export const letterOf = (names: Names, fleet: FleetDocument, found: Found): Letter =>
  'transition' in found ? transitionLetter(names, found.transition) : presenceLetter(fleet, found.presence)
