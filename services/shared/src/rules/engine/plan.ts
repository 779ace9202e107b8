/** When a device is to be looked at next, should no row come from it. */
import type { Rule } from './rule.ts'
import { lateMicros, SETTLE_MICROS, type Shard } from './shard.ts'

const NEVER = Number.POSITIVE_INFINITY

/** Where the shard's count of marks is when a quiet device is judged up to `micros`. */
const elapsedAt = (shard: Shard, device: number, micros: number): number => {
  if (micros === NEVER) return NEVER
  const { devices, clock } = shard
  const watermark = devices.watermark.get(device)
  const behind = lateMicros(shard) + SETTLE_MICROS
  if (watermark > Number.NEGATIVE_INFINITY)
    return devices.markedAt.get(device) + Math.ceil((micros - watermark + behind) / 1000)
  return clock.elapsed + Math.ceil((micros - (clock.mark ?? 0) * 1000 + behind) / 1000)
}

const silenceDue = ({ clock, bySilence, devices, fleet }: Shard, device: number): number => {
  let left = devices.heard.get(device) + fleet.offlineAfterMs - clock.heard
  if (left <= 0) left = NEVER
  for (const rule of bySilence)
    if (rule.watches(device))
      for (const { since, ms } of rule.bound.silences) {
        const rest = since(device) + ms() - clock.heard
        if (rest > 0 && rest < left) left = rest
      }
  return clock.elapsed + left
}

/** Sets exactly when the device is to be looked at. */
export const plan = (shard: Shard, device: number): void => {
  let due = shard.waiting.oldest(device)
  for (const rule of shard.rules) {
    if (!rule.watches(device) || rule.health.isStopped) continue
    const next = rule.due.get(device) === NEVER ? NEVER : rule.next(device)
    rule.due.set(device, next)
    if (next < due) due = next
  }
  shard.wheel.set(device, Math.min(elapsedAt(shard, device, due), silenceDue(shard, device)))
}

/** Sets, after a row, a time not later than that: each row would be too often for the exact one. */
export const planLoosely = (shard: Shard, device: number): void => {
  const { rules, wheel, clock } = shard
  let due = shard.waiting.oldest(device)
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as Rule
    const at = rule.due.get(device)
    if (at < due && rule.watches(device)) due = at
  }
  wheel.lower(device, Math.min(clock.elapsed + shard.silenceMs, elapsedAt(shard, device, due)))
}
