/**
 * The reference: the same rules judged in the slow and obvious way, to hold the engine against. It keeps the whole history of each device
 * as a list, looks at every device at every mark, and answers each function by filtering that list. It shares no code with the
 * engine but the trees of the test language.
 */
import type { RuleDocument } from '../../../alerts/rule-document.ts'
import type { FleetDocument } from '../../../pipeline/fleet-document.ts'
import type { Need, Value } from '../../need.ts'
import { isNumber, needsOf, type Reading, type Tree, truthOf } from './builders.ts'
import { type Alert, step } from './reference-alert.ts'

const SETTLE = 5_000_000
const OUTAGE_MS = 30_000
const NONE = Number.NEGATIVE_INFINITY

export type Delivery = { readonly storedMs: number; readonly markMs?: number; readonly readings: readonly Reading[] }

/** A reading that was used: when, in the device's time. */
type Used = { readonly at: number; readonly values: Readonly<Record<string, Value>> }

type Device = {
  readonly id: string
  readonly used: Used[]
  readonly keys: Set<string>
  readonly heard: Map<string, number>
  readonly waiting: Reading[]
  readonly alerts: Map<string, Alert>
  watermark: number
  storedAt: number
  released: number
  judged: number
  heardAny: number
}

type Rule = {
  readonly document: RuleDocument
  readonly when: Tree
  readonly clear: Tree | undefined
  readonly needs: readonly Need[]
}

const bucketOf = (micros: number, windowMs: number): bigint => (BigInt(micros) * 60n) / (BigInt(windowMs) * 1000n)

/** First µs of a bucket. */
const startOf = (bucket: bigint, windowMs: number): number => {
  const width = BigInt(windowMs) * 1000n
  return Number((bucket * width + 59n) / 60n)
}

const fold = (fn: string, values: readonly { at: number; value: number }[]): number | undefined => {
  const numbers = values.map(({ value }) => value)
  const sum = numbers.reduce((a, b) => a + b, 0)
  if (fn === 'count') return numbers.length
  const [first, last] = [values[0], values.at(-1)]
  if (!first || !last) return undefined
  const mean = sum / numbers.length
  const change = last.at > first.at ? last.value - first.value : undefined
  const answers: Record<string, number | undefined> = {
    ...{ avg: mean, sum, min: Math.min(...numbers), max: Math.max(...numbers), delta: change },
    stddev: Math.sqrt(numbers.reduce((a, b) => a + (b - mean) ** 2, 0) / numbers.length),
    rate: change === undefined ? undefined : change / ((last.at - first.at) / 1e6),
  }
  return answers[fn]
}

export class Reference {
  readonly transitions: string[] = []
  readonly #fleet: FleetDocument
  readonly #rules: readonly Rule[]
  readonly #devices: readonly Device[]
  readonly #marks: number[] = []
  #silence = 0
  #silenceBefore = 0

  constructor(fleet: FleetDocument, rules: readonly RuleDocument[], devices: readonly string[]) {
    this.#fleet = fleet
    this.#rules = rules.map((document) => {
      const when = JSON.parse(document.when) as Tree
      const clear = document.clearWhen === undefined ? undefined : (JSON.parse(document.clearWhen) as Tree)
      return { document, when, clear, needs: [...needsOf(when), ...(clear ? needsOf(clear) : [])] }
    })
    this.#devices = devices.map((id) => ({
      ...{ id, used: [], keys: new Set(), heard: new Map(), waiting: [], heardAny: 0 },
      ...{ watermark: NONE, storedAt: NONE, released: NONE, judged: NONE },
      alerts: new Map(rules.map(({ uid }) => [uid, { state: 'inactive', judgedAt: NONE, changedAt: NONE }])),
    }))
  }

  deliver({ storedMs, markMs, readings }: Delivery): void {
    if (markMs !== undefined && markMs > (this.#marks.at(-1) ?? -1)) this.#take(markMs)
    for (const reading of readings) {
      const device = this.#devices.find(({ id }) => id === reading.device)
      if (device) this.#read(device, reading, storedMs)
    }
  }

  #take(markMs: number): void {
    this.#marks.push(markMs)
    this.#silenceBefore = this.#silence
    this.#silence = this.#silenceAt(markMs)
    for (const device of this.#devices) this.#pass(device)
  }

  /** Time of marks, up to `ms`, that is no outage; what is behind the last mark counts. */
  #silenceAt(ms: number): number {
    const parts = this.#marks.map((from, i) => {
      const to = this.#marks[i + 1]
      if (to === undefined) return Math.max(0, ms - from)
      return to - from > OUTAGE_MS ? 0 : Math.max(0, Math.min(ms, to) - from)
    })
    return parts.reduce((a, b) => a + b, 0)
  }

  /** What a mark does to a device. */
  #pass(device: Device): void {
    const quiet = this.#quiet(device)
    if (quiet > device.judged) {
      this.#release(device, quiet)
      this.#settle(device, quiet)
      device.judged = quiet
    }
    for (const rule of this.#rules) if (this.#crosses(rule, device)) this.#judge(rule, device, device.judged, false)
  }

  #quiet({ watermark, storedAt }: Device): number {
    const behind = this.#late + SETTLE
    const mark = this.#marks.at(-1)
    if (mark === undefined) return watermark - behind
    return (watermark === NONE ? mark * 1000 : watermark + (mark - storedAt) * 1000) - behind
  }

  get #late(): number {
    return this.#fleet.payload.allowedLatenessMs * 1000
  }

  #dues({ needs }: Rule, device: Device): number[] {
    return needs.flatMap((need) => {
      if (need.fn === 'absent') return [this.#silenceAt(device.heard.get(need.measurement) ?? 0) + need.windowMs]
      return need.fn === 'offline' ? [this.#silenceAt(device.heardAny) + this.#fleet.offlineAfterMs] : []
    })
  }

  #crosses(rule: Rule, device: Device): boolean {
    return this.#dues(rule, device).some((due) => this.#silenceBefore < due && due <= this.#silence)
  }

  #isSilent(rule: Rule, device: Device): boolean {
    return this.#dues(rule, device).some((due) => due <= this.#silence)
  }

  #read(device: Device, reading: Reading, storedMs: number): void {
    const silent = this.#rules.filter((rule) => this.#isSilent(rule, device))
    const mark = this.#marks.at(-1)
    const heard = mark === undefined ? storedMs : Math.min(Math.max(storedMs, mark), mark + OUTAGE_MS)
    device.heardAny = heard
    for (const name of Object.keys(reading.values)) device.heard.set(name, heard)
    const usedBefore = device.used.length
    if (reading.micros <= (storedMs + this.#fleet.payload.acceptFutureMs) * 1000) this.#offer(device, reading, storedMs)
    const last = device.used.length > usedBefore ? device.used.at(-1) : undefined
    const at = Math.max(device.judged, this.#quiet(device))
    for (const rule of silent)
      if (!this.#isSilent(rule, device) && !(last && this.#isWoken(rule, last.values)) && at > NONE) {
        this.#settle(device, at - SETTLE)
        device.judged = at
        this.#judge(rule, device, at, false)
      }
  }

  #offer(device: Device, reading: Reading, storedMs: number): void {
    const key = `${reading.micros} ${reading.digest}`
    if (reading.micros < device.released || device.keys.has(key)) return
    device.keys.add(key)
    if (device.watermark === NONE) {
      device.judged = NONE
      for (const alert of device.alerts.values()) alert.judgedAt = NONE
    } else device.judged = Math.max(device.judged, this.#quiet(device))
    if (reading.micros > device.watermark) {
      device.watermark = reading.micros
      device.storedAt = Math.max(storedMs, this.#marks.at(-1) ?? NONE)
    }
    device.waiting.push(reading)
    device.waiting.sort((a, b) => a.micros - b.micros || a.digest - b.digest)
    this.#release(device, this.#late === 0 ? reading.micros : device.watermark - this.#late)
  }

  #release(device: Device, limit: number): void {
    for (;;) {
      const reading = device.waiting[0]
      if (!reading || reading.micros > limit) return
      device.waiting.shift()
      const at = Math.max(reading.micros, device.judged)
      this.#settle(device, at - SETTLE)
      device.judged = at
      device.released = reading.micros
      device.used.push({ at, values: reading.values })
      for (const rule of this.#rules) if (this.#isWoken(rule, reading.values)) this.#judge(rule, device, at, true)
    }
  }

  #isWoken({ needs }: Rule, values: Readonly<Record<string, Value>>): boolean {
    return needs.some((need) => need.fn === 'offline' || ('measurement' in need && need.measurement in values))
  }

  /** Judges each rule at each instant up to `limit` at which time alone does something to it. */
  #settle(device: Device, limit: number): void {
    for (;;) {
      const next = this.#rules.map((rule) => this.#candidate(rule, device))
      const first = Math.min(...next)
      if (first > limit) return
      this.#rules.forEach((rule, i) => {
        if (next[i] === first) this.#judge(rule, device, Math.max(first, device.judged), false)
      })
    }
  }

  /** The first instant after the rule's last judgement at which a reading leaves a window or a deadline comes. */
  #candidate({ document, needs }: Rule, device: Device): number {
    const alert = device.alerts.get(document.uid) as Alert
    const leaves = needs.flatMap((need) => {
      if (!('windowMs' in need) || !('measurement' in need) || need.fn === 'absent') return []
      const { windowMs, measurement } = need
      return device.used
        .filter(({ values }) => measurement in values)
        .map(({ at }) => startOf(bucketOf(at, windowMs) + 60n, windowMs))
    })
    const deadline = alert.deadline === undefined ? [] : [Math.max(alert.deadline, alert.judgedAt + 1)]
    return Math.min(Number.POSITIVE_INFINITY, ...[...leaves, ...deadline].filter((at) => at > alert.judgedAt))
  }

  #judge({ document, when, clear, needs }: Rule, device: Device, at: number, isReading: boolean): void {
    const read = (need: Need) => this.#read1(need, device, at)
    const alert = device.alerts.get(document.uid) as Alert
    alert.judgedAt = at
    const change = step(alert, document, at, {
      when: truthOf(when, read),
      clear: clear && truthOf(clear, read),
      isReading,
    })
    const valueNeed = needsOf(when).find(isNumber)
    const value = valueNeed && read(valueNeed)
    if (change) this.transitions.push(`${document.uid} ${device.id} ${change} ${needs.length > 0 ? value : ''}`)
  }

  #read1(need: Need, device: Device, at: number): Value | undefined {
    if (need.fn === 'offline') return this.#silence - this.#silenceAt(device.heardAny) >= this.#fleet.offlineAfterMs
    if (need.fn === 'absent')
      return this.#silence - this.#silenceAt(device.heard.get(need.measurement) ?? 0) >= need.windowMs
    if (!('measurement' in need)) throw new Error(`the reference knows no ${need.fn}`)
    const all = device.used.filter(({ values }) => need.measurement in values)
    if (need.fn === 'last') return all.at(-1)?.values[need.measurement]
    if (need.fn === 'anomaly' || need.fn === 'percentile') throw new Error(`the reference knows no ${need.fn}`)
    const oldest = bucketOf(at, need.windowMs) - 59n
    const within = all.filter((used) => bucketOf(used.at, need.windowMs) >= oldest)
    return fold(
      need.fn,
      within.map((used) => ({ at: used.at, value: Number(used.values[need.measurement]) })),
    )
  }
}
