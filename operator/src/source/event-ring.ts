/** Events about resources, the newest of them: what `kubectl get events` would show. */
import { label, type Ref } from '@fleetloom/crds/names'
import type { Kind, SourceEvent } from './source.ts'

export type RecordedEvent = SourceEvent & {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  /** How often it happened in a row. */
  readonly count: number
  /** RFC 3339. */
  readonly firstSeen: string
  readonly lastSeen: string
}

type About = { readonly kind: Kind; readonly ref: Ref }

const subject = (kind: Kind, ref: Ref): string => `${kind} ${label(ref)}`

const same = (a: SourceEvent, b: SourceEvent): boolean =>
  a.type === b.type && a.reason === b.reason && a.message === b.message

/** Keeps at most `capacity` events, the oldest dropped. An event equal to the last of its resource is counted there. */
export const createEventRing = (capacity: number, now: () => Date) => {
  let events: readonly RecordedEvent[] = []
  return {
    record({ kind, ref }: About, event: SourceEvent): void {
      const time = now().toISOString()
      const last = events.findLast((known) => subject(known.kind, known) === subject(kind, ref))
      const counted: RecordedEvent =
        last && same(last, event)
          ? { ...last, count: last.count + 1, lastSeen: time }
          : { kind, namespace: ref.namespace, name: ref.name, ...event, count: 1, firstSeen: time, lastSeen: time }
      const others = counted.count > 1 ? events.filter((known) => known !== last) : events
      events = [...others, counted].slice(-capacity)
    },
    /** Oldest first. */
    list: (): readonly RecordedEvent[] => events,
  }
}
