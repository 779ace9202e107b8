/**
 * Judging: what makes rules look at a device, and at which instant of its own time.
 *
 * - A row, at its time (`useRow`).
 * - Time alone (`settle`): a reading leaves a window, or a deadline of an alert comes. Time alone is judged SETTLE behind a row and, while
 *   no row comes, behind the time that the marks say has passed; so while rows come often, rows alone judge. An instant that has
 *   been passed by rows meanwhile is judged at the time reached.
 * - Silence (`wake`): at the first mark that makes it long enough.
 */
import { emit } from './emit.ts'
import { feedNumber } from './history.ts'
import { plan } from './plan.ts'
import { judgePresence } from './presence.ts'
import type { Rule } from './rule.ts'
import { lateMicros, SETTLE_MICROS, type Shard } from './shard.ts'
import type { Row } from './waiting.ts'

const NONE = Number.NEGATIVE_INFINITY
const NEVER = Number.POSITIVE_INFINITY

/**
 * The time up to which time alone is judged: the watermark and what the marks say has passed since its row was stored, less lateness and
 * SETTLE. The marks' own time for a device that never said its.
 */
export const quietTime = (shard: Shard, device: number): number => {
  const { devices, clock } = shard
  const watermark = devices.watermark.get(device)
  const behind = lateMicros(shard) + SETTLE_MICROS
  if (clock.mark === undefined) return watermark - behind
  return watermark === NONE
    ? clock.mark * 1000 - behind
    : watermark + (clock.mark - devices.storedAt.get(device)) * 1000 - behind
}

const attempt = (shard: Shard, rule: Rule, device: number, isReading: boolean): void => {
  const { micros } = shard.moment
  try {
    const step = rule.states.judge(device, micros, isReading, rule.bound.conditions)
    rule.states.setDue(device, micros + 0.5)
    if (step) emit(shard, rule, device, { step, cause: 'condition' })
    rule.succeeded()
  } catch (error) {
    rule.states.setDue(device, NEVER)
    rule.failed(error instanceof Error ? error.message : String(error))
  }
}

/** Judges a rule for a device at the engine's moment. One that throws is counted and harms no other. */
export const judge = (shard: Shard, rule: Rule, device: number, isReading: boolean): void => {
  if (!rule.watches(device) || rule.health.isStopped) return
  rule.lastEvaluatedMicros = Math.max(rule.lastEvaluatedMicros, shard.moment.micros)
  attempt(shard, rule, device, isReading)
}

/** The first instant up to `limit` at which time alone changes something for a rule; infinite when there is none. */
const nextDue = ({ board, rules }: Shard, device: number, limit: number): number => {
  let next = NEVER
  if (board.earliest(device) > limit) return next
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as Rule
    const due = rule.due(device) > limit ? NEVER : rule.next(device)
    if (due < next) next = due
  }
  return next
}

/** Moves the engine to an instant of a device. What the rules that are not woken wait for is found out before windows move. */
export const seek = (shard: Shard, device: number, at: number): void => {
  const { rules, stamp } = shard
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as Rule
    if (rule.stamp !== stamp && rule.due(device) <= at) rule.next(device)
  }
  shard.moment.set(at)
}

/** Lets time alone pass up to `limit`. */
export const settle = (shard: Shard, device: number, limit: number): void => {
  const { rules, moment, devices } = shard
  for (;;) {
    const due = nextDue(shard, device, limit)
    if (due > limit) return
    moment.set(Math.max(due, devices.judged.get(device)))
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i] as Rule
      if (rule.due(device) === due) judge(shard, rule, device, false)
    }
  }
}

const NOBODY: readonly Rule[] = []

/** Notes which rules are to be judged at the next instant. */
export const call = ({ stamp }: Shard, rules: readonly Rule[] = NOBODY): void => {
  for (let i = 0; i < rules.length; i++) (rules[i] as Rule).stamp = stamp
}

/** Judges the rules that were called. */
export const judgeCalled = (shard: Shard, device: number, isReading: boolean): void => {
  const { rules, stamp } = shard
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i] as Rule
    if (rule.stamp === stamp) judge(shard, rule, device, isReading)
  }
}

/** Brings a device to `at`, letting time alone do before what it does; then nobody is called yet. */
export const moveTo = (shard: Shard, device: number, at: number): void => {
  settle(shard, device, at - SETTLE_MICROS)
  shard.devices.judged.set(device, at)
  shard.stamp++
}

/**
 * Touches the memory of all windows that a row is for. With many devices it is not in the processor's cache; asked for at once, it comes
 * in the time of one wait.
 */
const fetchWindows = ({ history }: Shard, device: number, row: Row): number => {
  let sum = 0
  for (let i = 0; i < row.count; i++) {
    const windows = history.columns[row.columns[i] as number]?.windows
    if (windows) for (let k = 0; k < windows.length; k++) sum += windows[k]?.fetch(device) ?? 0
  }
  return sum
}

const takeValues = ({ history }: Shard, device: number, row: Row, at: number): void => {
  for (let i = 0; i < row.count; i++) {
    const feed = history.columns[row.columns[i] as number]
    if (!feed) continue
    feedNumber(feed, device, row.numbers[i] as number, at)
    for (let k = 0; k < feed.texts.length; k++) feed.texts[k]?.put(device, row.texts[i] as string)
  }
}

/** Uses a row whose turn has come: at its time, or at the time the device has reached if that is later. */
export const useRow = (shard: Shard, device: number, row: Row): void => {
  const { devices, byColumn } = shard
  const at = Math.max(row.micros, devices.judged.get(device))
  moveTo(shard, device, at)
  for (let i = 0; i < row.count; i++) call(shard, byColumn[row.columns[i] as number])
  seek(shard, device, at)
  devices.release(device, row.micros, row.high, row.low)
  shard.fetched = fetchWindows(shard, device, row)
  takeValues(shard, device, row, at)
  judgeCalled(shard, device, true)
}

/** Uses the waiting rows up to `limit`. */
export const releaseUpTo = (shard: Shard, device: number, limit: number): void => {
  while (shard.waiting.oldest(device) <= limit) {
    const row = shard.waiting.shift(device)
    if (row) useRow(shard, device, row)
  }
}

/** Brings a device to its quiet time, letting time alone do before what it does; not nearer than SETTLE to a row that waits. */
export const catchUp = (shard: Shard, device: number): void => {
  const { judged } = shard.devices
  const time = Math.min(quietTime(shard, device), shard.waiting.oldest(device) - SETTLE_MICROS)
  if (time <= judged.get(device)) return
  settle(shard, device, time)
  judged.set(device, time)
}

const isCrossed = ({ clock }: Shard, { bound }: Rule, device: number): boolean =>
  bound.silences.some(({ since, ms }) => {
    const due = since(device) + ms()
    return clock.heardBefore < due && due <= clock.heard
  })

/** Looks at a device because a mark came. */
export const wake = (shard: Shard, device: number): void => {
  shard.copy?.keep(device)
  const time = quietTime(shard, device)
  if (time > shard.devices.judged.get(device)) releaseUpTo(shard, device, time)
  catchUp(shard, device)
  seek(shard, device, shard.devices.judged.get(device))
  for (const rule of shard.bySilence) if (isCrossed(shard, rule, device)) judge(shard, rule, device, false)
  judgePresence(shard, device)
  plan(shard, device)
}
