/**
 * Taking events in. An event counts at its own time, however late it comes, as long as a window still holds that time; it is judged at the
 * time that its device has reached. It may reach the stream before or behind the readings of its time, so it never moves the device on:
 * only where there are no readings, events set the device's clock.
 *
 * An event that is ahead of its device's clock by more than a minute goes by another clock, such as ours: it counts at what the device's
 * clock was when it was stored.
 */
import { isPresenceEvent } from '../../events/event.ts'
import { hash32 } from '../../pipeline/shard.ts'
import { hasReadings, judgeHeard, mark, silentRules } from './intake.ts'
import { call, judgeCalled, moveTo, seek } from './judge.ts'
import type { EventPiece } from './pieces.ts'
import { planLoosely } from './plan.ts'
import { hear } from './presence.ts'
import type { RecentKeys } from './recent-keys.ts'
import type { Rows } from './rows.ts'
import type { Shard } from './shard.ts'

const NONE = Number.NEGATIVE_INFINITY
/** How far ahead of its device's clock an event may be. */
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

type Event = { readonly device: number; readonly type: string; readonly micros: number }

/** Brings the device to the time at which the event is judged. */
const judgedTime = (shard: Shard, { device, micros }: Event, storedMs: number): number => {
  const isClock = !hasReadings(shard, device)
  mark(shard, device, isClock ? micros : NONE, storedMs)
  const judged = shard.devices.judged.get(device)
  return isClock ? Math.max(judged, micros) : judged
}

/** The time at which the event counts. */
const ownTime = ({ devices, clock }: Shard, { device, micros }: Event, storedMs: number): number => {
  const now = devices.watermark.get(device) + (clock.storing(storedMs) - devices.storedAt.get(device)) * 1000
  return micros > now + SLACK_MICROS ? now : micros
}

const count = (shard: Shard, event: Event, storedMs: number, pieces: readonly EventPiece[]): void => {
  const { device, type } = event
  const at = judgedTime(shard, event, storedMs)
  const own = ownTime(shard, event, storedMs)
  moveTo(shard, device, at)
  call(shard, shard.byEvent.get(type))
  seek(shard, device, at)
  let isCounted = false
  for (const piece of pieces) if (piece.add(device, own, at)) isCounted = true
  if (!isCounted) shard.counts.late++
  judgeCalled(shard, device, isCounted)
}

const useEvent = (shard: Shard, event: Event, storedMs: number): void => {
  shard.copy?.keep(event.device)
  const { history, counts, fleet } = shard
  const silent = silentRules(shard, event.device)
  if (!isPresenceEvent(event.type)) hear(shard, event.device, storedMs)
  const pieces = history.events.get(event.type)
  if (event.micros > (storedMs + fleet.payload.acceptFutureMs) * 1000) counts.future++
  else if (pieces) count(shard, event, storedMs, pieces)
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
