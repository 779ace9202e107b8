/**
 * Taking events in. An event is counted at the time that its device has reached, because it may reach the stream before or behind the
 * readings of its time; one that is a minute older than that is late. Where there are no readings, events set the device's clock.
 */
import { hash32 } from '../../pipeline/shard.ts'
import { type Feed, feedNumber } from './history.ts'
import { judgeHeard, mark, silentRules } from './intake.ts'
import { call, judgeCalled, moveTo, seek } from './judge.ts'
import { planLoosely } from './plan.ts'
import { hear, isPresenceEvent } from './presence.ts'
import type { RecentKeys } from './recent-keys.ts'
import type { Rows } from './rows.ts'
import { lateMicros, type Shard } from './shard.ts'

const NONE = Number.NEGATIVE_INFINITY
/** How much older than its device's time an event may be and still count. */
const SLACK_MICROS = 60_000_000

/** Columns of a row of the events table that rules ask for. */
export const EVENT_COLUMNS = [
  { name: 'fleet', isText: true },
  { name: 'type', isText: true },
]

type EventSource = { readonly storedMs: number; readonly shard: number; readonly recent: RecentKeys }

/** The type of the event that `row` stands on, if it is one of this fleet and shard. */
const eventType = ({ fleet }: Shard, row: Rows, shard: number): string | undefined => {
  const { bytes, deviceStart, deviceEnd } = row
  if (hash32(bytes, deviceStart, deviceEnd) % fleet.stream.telemetrySubjects.length !== shard) return undefined
  const text = (column: number): string | undefined => row.texts[row.columns.indexOf(column)]
  return row.count === EVENT_COLUMNS.length && text(0) === fleet.name ? text(1) : undefined
}

const eventTime = (shard: Shard, device: number, micros: number): number => {
  const { devices } = shard
  const hasReadings = devices.released.get(device) !== NONE || shard.waiting.oldest(device) < Number.POSITIVE_INFINITY
  mark(shard, device, hasReadings ? NONE : micros)
  const judged = devices.judged.get(device)
  return hasReadings ? judged : Math.max(judged, micros)
}

type Event = { readonly device: number; readonly type: string; readonly micros: number }

const count = (shard: Shard, { device, type, micros }: Event, feed: Feed): void => {
  const at = eventTime(shard, device, micros)
  if (micros < at - lateMicros(shard) - SLACK_MICROS) {
    shard.counts.late++
    return
  }
  moveTo(shard, device, at)
  call(shard, shard.byEvent.get(type))
  seek(shard, device, at)
  feedNumber(feed, device, 1, at)
  judgeCalled(shard, device, true)
}

const useEvent = (shard: Shard, event: Event, storedMs: number): void => {
  const { history, counts, fleet } = shard
  const silent = silentRules(shard, event.device)
  if (!isPresenceEvent(event.type)) hear(shard, event.device, storedMs)
  const feed = history.events.get(event.type)
  if (event.micros > (storedMs + fleet.payload.acceptFutureMs) * 1000) counts.future++
  else if (feed) count(shard, event, feed)
  judgeHeard(shard, silent, event.device)
  planLoosely(shard, event.device)
}

/** Takes the row of the events table that `row` stands on. */
export const takeEvent = (shard: Shard, row: Rows, { storedMs, recent, shard: number }: EventSource): void => {
  const type = eventType(shard, row, number)
  if (type === undefined) return
  const device = shard.devices.table.find(row.bytes, row.deviceStart, row.deviceEnd)
  shard.counts.rows++
  shard.stamp++
  if (device < 0) shard.counts.unknown++
  else if (!recent.add(row.high, row.low)) shard.counts.repeated++
  else useEvent(shard, { device, type, micros: row.micros }, storedMs)
}
