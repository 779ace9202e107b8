/**
 * One device as the reference sees it: its whole past as a list, and its alerts. The history that rules read begins when the first rule
 * that needs it begins to watch the device, and is gone when the last one ends.
 */
import type { AlertCause } from '../../../alerts/transition.ts'
import type { Need, Value } from '../../need.ts'
import type { Labels } from '../ports.ts'
import { type EventRow, type Reading, truthOf } from './builders.ts'
import { type Alert, endOf, newAlert, renew, step } from './reference-alert.ts'
import { answer, changesOf, concerns, historyOf, isCounted, type Used, windowOf } from './reference-history.ts'
import { ReferenceSilence } from './reference-silence.ts'
import { isDoubtful, isSelected, markOf, type Rule, storing, type World } from './reference-world.ts'

const SETTLE = 5_000_000
const SLACK = 60_000_000
const NONE = Number.NEGATIVE_INFINITY
const NEVER = Number.POSITIVE_INFINITY

export class ReferenceDevice {
  readonly id: string
  readonly #world: World
  /** Allowed lateness, µs. */
  readonly #late: number
  readonly #used: Used[] = []
  readonly #keys = new Set<string>()
  readonly #silence: ReferenceSilence
  readonly #waiting: Reading[] = []
  readonly #alerts = new Map<string, Alert>()
  /** How much had been used when a history began, by its name. */
  #begun: ReadonlyMap<string, number> = new Map()
  #labels: Labels = {}
  #watermark = NONE
  #storedAt = NONE
  #released = NONE
  #judged = NONE

  constructor(id: string, world: World) {
    this.id = id
    this.#world = world
    this.#late = world.fleet.payload.allowedLatenessMs * 1000
    this.#silence = new ReferenceSilence(world)
  }

  /** A mark came. */
  mark(): void {
    if (this.#quiet > this.#judged) this.#release(this.#quiet)
    this.pass()
    for (const rule of this.#world.rules) if (this.#silence.crosses(rule)) this.#judge(rule, this.#judged, false)
  }

  /** Goes on to the time that marks and rows say has been reached in silence. */
  pass(): void {
    const quiet = Math.min(this.#quiet, (this.#waiting[0]?.micros ?? NEVER) - SETTLE)
    if (quiet <= this.#judged) return
    this.#settle(quiet)
    this.#judged = quiet
  }

  /** A row is heard, then used if it may be; then silences that it ended are judged. */
  take(row: Reading | EventRow, storedMs: number): void {
    const { rules, fleet } = this.#world
    const silent = rules.filter((rule) => this.#alerts.has(rule.uid) && this.#silence.isSilent(rule.needs))
    this.#silence.hear(row, storedMs)
    const isFuture = row.micros > (storedMs + fleet.payload.acceptFutureMs) * 1000
    const last = isFuture ? undefined : 'type' in row ? this.#count(row, storedMs) : this.#offer(row, storedMs)
    const ended = silent.filter((rule) => !this.#silence.isSilent(rule.needs) && !(last && this.#isWoken(rule, last)))
    if (ended.length === 0) return
    this.pass()
    if (this.#judged === NONE) return
    this.#settle(this.#judged - SETTLE)
    for (const rule of ended) this.#judge(rule, this.#judged, false)
  }

  /** The device is registered, or its labels change. */
  relabel(labels: Labels): void {
    this.#labels = labels
    const { rules } = this.#world
    const added = rules.filter((rule) => !this.#alerts.has(rule.uid) && isSelected(rule, labels))
    for (const rule of rules) this.#match(rule)
    this.keepHistories()
    for (const rule of added) this.#judgeNow(rule)
  }

  /** A rule was added or edited. */
  apply(rule: Rule): void {
    const alert = this.#alerts.get(rule.uid)
    if (alert) renew(alert)
    this.#match(rule)
    this.keepHistories()
    this.#judgeNow(rule)
  }

  /** A rule watches the device no more: what fires is resolved, what is pending is dropped. */
  drop(rule: Rule, cause: AlertCause): void {
    const alert = this.#alerts.get(rule.uid)
    this.#alerts.delete(rule.uid)
    if (alert?.state !== 'firing') return
    const now = this.#judged === NONE ? (markOf(this.#world) ?? 0) * 1000 : this.#judged
    const change = endOf(alert, now)
    this.#tell(rule, { change, cause, at: now })
    this.#judged = Math.max(this.#judged, change.atMicros + 1)
  }

  /** Begins the histories that are needed now, and forgets those that are not. */
  keepHistories(): void {
    const needs = this.#world.rules.filter(({ uid }) => this.#alerts.has(uid)).flatMap((rule) => rule.needs)
    for (const need of needs)
      if (need.fn === 'absent' && !this.#begun.has(historyOf(need) as string)) this.#silence.begin(need.measurement)
    // A window that is watched is kept with all that any rule asks of it.
    const windows = new Set(needs.map(windowOf).filter((name) => name !== undefined))
    const shared = this.#world.rules.flatMap((rule) => rule.needs).filter((need) => windows.has(windowOf(need) ?? ''))
    const names = [...windows, ...[...needs, ...shared].map(historyOf).filter((name) => name !== undefined)]
    this.#begun = new Map(names.map((name) => [name, this.#begun.get(name) ?? this.#used.length]))
  }

  #match(rule: Rule): void {
    if (!isSelected(rule, this.#labels)) this.drop(rule, 'rule-changed')
    else if (!this.#alerts.has(rule.uid)) this.#alerts.set(rule.uid, newAlert())
  }

  #judgeNow(rule: Rule): void {
    if (this.#judged > NONE) this.#judge(rule, this.#judged, false)
  }

  get #quiet(): number {
    const mark = markOf(this.#world)
    const behind = this.#late + SETTLE
    if (mark === undefined) return this.#watermark - behind
    return (this.#watermark === NONE ? mark * 1000 : this.#watermark + (mark - this.#storedAt) * 1000) - behind
  }

  /** Whether its clock goes by readings. */
  get #hasReadings(): boolean {
    return this.#released !== NONE || this.#waiting.length > 0
  }

  /** Begins with a clock of its own. Events that went by another are forgotten. */
  #begin(): void {
    this.#judged = NONE
    for (const alert of this.#alerts.values()) alert.judgedAt = NONE
    this.#begun = new Map(
      [...this.#begun].map(([name, begun]) => [name, name.includes(' event ') ? this.#used.length : begun]),
    )
  }

  /** Lets time reach the device's clock, then moves that clock. */
  #advance(micros: number, storedMs: number): void {
    if (this.#watermark === NONE) this.#begin()
    else this.pass()
    if (micros <= this.#watermark) return
    this.#watermark = micros
    this.#storedAt = storing(this.#world, storedMs)
  }

  /** Takes a reading; what was used last because of it. */
  #offer(reading: Reading, storedMs: number): Used | undefined {
    const key = `${reading.micros} ${reading.digest}`
    if (this.#waiting.some(({ micros, digest }) => `${micros} ${digest}` === key)) this.pass()
    if (reading.micros < this.#released || this.#keys.has(key)) return undefined
    this.#keys.add(key)
    if (!this.#hasReadings) this.pass()
    if (!this.#hasReadings && reading.micros < this.#judged) this.#watermark = NONE
    this.#advance(reading.micros, storedMs)
    this.#waiting.push(reading)
    this.#waiting.sort((a, b) => a.micros - b.micros || a.digest - b.digest)
    return this.#release(this.#late === 0 ? reading.micros : this.#watermark - this.#late)
  }

  #release(limit: number): Used | undefined {
    let last: Used | undefined
    for (;;) {
      const reading = this.#waiting[0]
      if (!reading || reading.micros > limit) return last
      this.#waiting.shift()
      this.#released = reading.micros
      const at = Math.max(reading.micros, this.#judged)
      last = this.#use({ at, own: at, values: reading.values })
    }
  }

  /** Takes an event: it counts at its own time and is judged at the device's, which it tells where there are no readings. */
  #count({ type, micros }: EventRow, storedMs: number): Used | undefined {
    const { rules } = this.#world
    if (!rules.some(({ needs }) => needs.some((need) => 'type' in need && need.type === type))) return undefined
    const isClock = !this.#hasReadings
    this.#advance(isClock ? micros : NONE, storedMs)
    const now = this.#watermark + (storing(this.#world, storedMs) - this.#storedAt) * 1000
    const own = micros > now + SLACK ? now : micros
    return this.#use({ at: isClock ? Math.max(this.#judged, micros) : this.#judged, own, values: {}, type })
  }

  #use(used: Used): Used {
    this.#settle(used.at - SETTLE)
    this.#judged = used.at
    this.#used.push(used)
    const isReading = used.type === undefined || this.#isCounted(used)
    for (const rule of this.#world.rules) if (this.#isWoken(rule, used)) this.#judge(rule, used.at, isReading)
    return used
  }

  /** Whether an event is late for no need of a rule that watches the device. */
  #isCounted(event: Used): boolean {
    const watching = this.#world.rules.filter(({ uid }) => this.#alerts.has(uid))
    return watching.some(({ needs }) =>
      needs.some((need) => concerns(need, event) && isCounted(need, event, this.#history(need))),
    )
  }

  #isWoken({ needs }: Rule, used: Used): boolean {
    return needs.some((need) => concerns(need, used) || (need.fn === 'offline' && used.type === undefined))
  }

  /** Judges each rule at each instant up to `limit` at which time alone does something to it. */
  #settle(limit: number): void {
    for (;;) {
      const due = this.#world.rules.map((rule) => ({ rule, at: this.#candidate(rule) }))
      const first = Math.min(NEVER, ...due.map(({ at }) => at))
      if (first > limit || first === NEVER) return
      for (const { rule, at } of due) if (at === first) this.#judge(rule, Math.max(first, this.#judged), false)
    }
  }

  /** The first instant after the rule's last judgement at which an answer changes by itself or a deadline comes. */
  #candidate({ uid, needs }: Rule): number {
    const alert = this.#alerts.get(uid)
    if (!alert) return NEVER
    const changes = needs.flatMap((need) => changesOf(need, this.#history(need, windowOf(need))))
    const deadline = alert.deadline === undefined ? [] : [Math.max(alert.deadline, alert.judgedAt + 1)]
    return Math.min(NEVER, ...[...changes, ...deadline].filter((at) => at > alert.judgedAt))
  }

  #judge(rule: Rule, at: number, isReading: boolean): void {
    const alert = this.#alerts.get(rule.uid)
    if (!alert) return
    const { document, when, clear } = rule
    const read = (need: Need) => this.#answer(need, at)
    alert.judgedAt = at
    this.#world.isDoubtful ||= isDoubtful(rule, read)
    const change = step(alert, document, at, {
      when: truthOf(when, read),
      clear: clear && truthOf(clear, read),
      isReading,
    })
    if (change) this.#tell(rule, { change, cause: 'condition', at })
  }

  #tell(rule: Rule, { change, cause, at }: { change: ReturnType<typeof endOf>; cause: AlertCause; at: number }): void {
    const { uid, valueNeed } = rule
    const value = valueNeed && this.#answer(valueNeed, at)
    const isRough = valueNeed?.fn === 'percentile'
    this.#world.found.push({ ruleUid: uid, device: this.id, ...change, cause, value, isRough })
  }

  /** What was used of it since a history began, its own or that of the window it shares. */
  #history(need: Need, name = historyOf(need)): readonly Used[] {
    const begun = this.#begun.get(name ?? '')
    return begun === undefined ? [] : this.#used.slice(begun).filter((used) => concerns(need, used))
  }

  #answer(need: Need, at: number): Value | undefined {
    if (need.fn === 'offline' || need.fn === 'absent') return this.#silence.isSilent([need])
    return answer(need, this.#history(need), at, this.#world.detector)
  }
}
