/** When a device is to be looked at next, should no row come from it. Looking too early costs a look and changes nothing. */
import type { Silence } from './history.ts'
import { lateMicros, SETTLE_MICROS, type Shard } from './shard.ts'

const NEVER = Number.POSITIVE_INFINITY

/** Where the shard's count of marks is when a quiet device is judged up to `micros`. */
const elapsedAt = (shard: Shard, device: number, micros: number): number => {
  if (micros === NEVER) return NEVER
  const { devices, clock } = shard
  const watermark = devices.watermark.get(device)
  const behind = lateMicros(shard) + SETTLE_MICROS
  const mark = clock.mark ?? 0
  if (watermark === Number.NEGATIVE_INFINITY) return clock.elapsed + Math.ceil((micros - mark * 1000 + behind) / 1000)
  return clock.elapsed + devices.storedAt.get(device) - mark + Math.ceil((micros - watermark + behind) / 1000)
}

/** What is left of a silence, ms; infinite when it is over. */
const left = ({ since, ms }: Silence, device: number, heard: number): number => {
  const rest = since(device) + ms() - heard
  return rest > 0 ? rest : NEVER
}

const silenceDue = ({ clock, bySilence, history }: Shard, device: number): number => {
  let least = left(history.offline, device, clock.heard)
  for (const rule of bySilence) {
    if (!rule.watches(device)) continue
    for (const silence of rule.bound.silences) least = Math.min(least, left(silence, device, clock.heard))
  }
  return clock.elapsed + least
}

/** The least that is known of when time alone changes something: no rule waits for an earlier instant. */
const earliest = ({ board, waiting }: Shard, device: number): number =>
  Math.min(waiting.oldest(device), board.earliest(device))

/** Sets when a device that was looked at is to be looked at again. */
export const plan = (shard: Shard, device: number): void => {
  const due = elapsedAt(shard, device, earliest(shard, device))
  shard.wheel.set(device, Math.min(due, silenceDue(shard, device)))
}

/** Sets, after a row, a time not later than that. */
export const planLoosely = (shard: Shard, device: number): void => {
  const due = elapsedAt(shard, device, earliest(shard, device))
  shard.wheel.lower(device, Math.min(due, shard.clock.elapsed + shard.silenceMs))
}
