/**
 * Taking rows in. A row is heard when it is read. It is used at once, or waits as long as the fleet allows readings to be late; one
 * that is older than what was used is late, one with the key of a used one is a repeat: both only count.
 */
import { call, catchUp, judgeCalled, moveTo, releaseUpTo, seek, useRow } from './judge.ts'
import { planLoosely } from './plan.ts'
import { hear } from './presence.ts'
import type { Rows } from './rows.ts'
import type { Rule } from './rule.ts'
import { lateMicros, type Shard } from './shard.ts'

const NONE = Number.NEGATIVE_INFINITY
const NOBODY: readonly Rule[] = []
const isSilent = ({ clock }: Shard, { bound }: Rule, device: number): boolean =>
  bound.silences.some(({ since, ms }) => clock.heard - since(device) >= ms())

/** Rules that find the device silent now. */
export const silentRules = (shard: Shard, device: number): readonly Rule[] => {
  let silent: Rule[] | undefined
  for (const rule of shard.bySilence) {
    if (!isSilent(shard, rule, device) || !rule.watches(device)) continue
    silent ??= []
    silent.push(rule)
  }
  return silent ?? NOBODY
}

/** Judges the rules whose silence has ended and that the row did not wake otherwise. */
export const judgeHeard = (shard: Shard, before: readonly Rule[], device: number): void => {
  if (before.length === 0) return
  const ended = before.filter((rule) => rule.stamp !== shard.stamp && !isSilent(shard, rule, device))
  if (ended.length === 0) return
  catchUp(shard, device)
  const at = shard.devices.judged.get(device)
  if (at === NONE) return
  moveTo(shard, device, at)
  call(shard, ended)
  seek(shard, device, at)
  judgeCalled(shard, device, false)
}

/** Whether a reading of the device was taken: then its clock goes by readings. */
export const hasReadings = ({ devices, waiting }: Shard, device: number): boolean =>
  devices.released.get(device) !== NONE || waiting.oldest(device) < Number.POSITIVE_INFINITY

/**
 * A device begins with a clock of its own. What was judged before went by the clock of the marks, or of events that is ahead, such as ours:
 * the times of such events mean nothing on this one, so they are forgotten.
 */
const begin = ({ devices, rules, history }: Shard, device: number): void => {
  devices.judged.set(device, NONE)
  for (const rule of rules) if (rule.watches(device)) rule.states.setDue(device, NONE)
  for (const pieces of history.events.values())
    for (const piece of pieces) {
      if (!piece.isWatched(device)) continue
      piece.forget(device)
      piece.watch(device)
    }
}

/** Before its first reading: a clock that events have set and that is ahead of the reading is not the device's. */
const judgeClock = (shard: Shard, device: number, micros: number): void => {
  const { devices } = shard
  catchUp(shard, device)
  if (micros < devices.judged.get(device)) devices.watermark.set(device, NONE)
}

/** Brings a device to the time it has reached and then sets its clock; its first row brings its own clock with it. */
export const mark = (shard: Shard, device: number, micros: number, storedMs: number): void => {
  const { devices, clock } = shard
  const watermark = devices.watermark.get(device)
  if (watermark === NONE) begin(shard, device)
  else catchUp(shard, device)
  if (micros <= watermark) return
  devices.watermark.set(device, micros)
  devices.storedAt.set(device, clock.storing(storedMs))
}

/** Whether a row may still be used. */
const isFresh = ({ devices, counts }: Shard, device: number, row: Rows): boolean => {
  const released = devices.released.get(device)
  if (row.micros < released) counts.late++
  else if (row.micros === released && devices.isRepeat(device, row.high, row.low)) counts.repeated++
  else return true
  return false
}

const letWait = (shard: Shard, device: number, row: Rows, storedMs: number): void => {
  const { devices, waiting, counts } = shard
  mark(shard, device, row.micros, storedMs)
  if (!waiting.put(device, row)) {
    counts.repeated++
    return
  }
  if (waiting.isFull(device)) {
    counts.early++
    releaseUpTo(shard, device, waiting.oldest(device))
  }
  releaseUpTo(shard, device, devices.watermark.get(device) - lateMicros(shard))
}

const offer = (shard: Shard, device: number, row: Rows, storedMs: number): void => {
  if (!isFresh(shard, device, row)) return
  if (!hasReadings(shard, device)) judgeClock(shard, device, row.micros)
  if (lateMicros(shard) > 0) letWait(shard, device, row, storedMs)
  else {
    mark(shard, device, row.micros, storedMs)
    releaseUpTo(shard, device, row.micros)
    useRow(shard, device, row)
  }
}

/** Takes the telemetry row that `row` stands on. */
export const takeRow = (shard: Shard, row: Rows, storedMs: number): void => {
  const { devices, history, counts, fleet } = shard
  const device = devices.table.find(row.bytes, row.deviceStart, row.deviceEnd)
  counts.rows++
  shard.stamp++
  if (device < 0) {
    counts.unknown++
    return
  }
  shard.copy?.keep(device)
  const silent = silentRules(shard, device)
  hear(shard, device, storedMs)
  for (let i = 0; i < row.count; i++) {
    const heard = history.columns[row.columns[i] as number]?.heard
    if (heard) for (let k = 0; k < heard.length; k++) heard[k]?.hear(device, storedMs)
  }
  if (row.micros > (storedMs + fleet.payload.acceptFutureMs) * 1000) counts.future++
  else offer(shard, device, row, storedMs)
  judgeHeard(shard, silent, device)
  planLoosely(shard, device)
}
