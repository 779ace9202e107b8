/**
 * The state of one rule for each device it watches, in the device's own time (µs):
 *
 *     inactive → pending   `when` holds
 *     pending  → firing    it held for `forMicros` and for `forReadings` readings in a row (at once when there is nothing to wait for)
 *     pending  → inactive  it does not hold
 *     firing   → resolved  the clear condition held for `keepMicros` without a break; then inactive again
 *
 * The clear condition is that `when` is false, or, where there is a `clear`, that `clear` holds and `when` does not. No data is
 * neither true nor false: it ends what is pending and leaves what is firing. An alert changes at most once per instant, so that
 * its changes have distinct ids: a second change waits for the next microsecond.
 */
import type { AlertState } from '../../alerts/transition.ts'
import { Column } from './column.ts'
import type { Condition } from './ports.ts'

export const STATE = { unwatched: 0, inactive: 1, pending: 2, firing: 3 } as const

const NAMES = ['inactive', 'inactive', 'pending', 'firing'] as const satisfies readonly AlertState[]
const NEVER = Number.POSITIVE_INFINITY

export type Limits = { readonly forMicros: number; readonly forReadings: number; readonly keepMicros: number }

export type Conditions = { readonly when: Condition; readonly clear: Condition | undefined }

/** A change of state. */
export type Step = {
  readonly from: AlertState
  readonly to: AlertState
  readonly atMicros: number
  /** On the way to and from firing. */
  readonly firingSince: number | undefined
}

export class AlertStates {
  limits: Limits
  /** Devices by what their alert is. */
  firing = 0
  pending = 0
  readonly #state = new Column(STATE.unwatched)
  /** When `when` began to hold, or when the alert began to fire. */
  readonly #since = new Column()
  /** While firing: since when the clear condition holds. */
  readonly #clearing = new Column(Number.NaN)
  readonly #changed = new Column(Number.NEGATIVE_INFINITY)
  /** Readings in a row that `when` held for. */
  readonly #streak = new Column()
  /** 1 where a change waits for the next instant. */
  readonly #waits = new Column()

  constructor(limits: Limits) {
    this.limits = limits
  }

  of(device: number): number {
    return this.#state.get(device)
  }

  watch(device: number): void {
    if (this.of(device) === STATE.unwatched) this.#state.set(device, STATE.inactive)
  }

  /** Judges a device at `now`; `isReading` when a reading of its own is why. */
  judge(device: number, now: number, isReading: boolean, { when, clear }: Conditions): Step | undefined {
    const holds = when(device)
    if (this.#waits.get(device) !== 0) this.#waits.set(device, 0)
    if (this.of(device) === STATE.firing) {
      const clears = clear ? clear(device) === true && holds !== true : holds === false
      return this.#judgeFiring(device, now, clears)
    }
    if (holds === true) return this.#judgeHolding(device, now, isReading)
    return this.of(device) === STATE.pending ? this.#change(device, STATE.inactive, now) : undefined
  }

  /** The first time, not before `from`, at which time alone changes the state; infinite for never. */
  deadline(device: number, from: number): number {
    return Math.max(from, this.#deadline(device))
  }

  /** Takes the device from the rule at `now`: what fires is resolved. */
  drop(device: number, now: number): Step | undefined {
    const at = Math.max(now, this.#changed.get(device) + 1)
    const step = this.of(device) === STATE.firing ? this.#change(device, STATE.inactive, at) : undefined
    this.#enter(device, STATE.unwatched)
    for (const column of this.#columns) column.clear(device)
    return step
  }

  /** Drops what is pending: the rule is another now. */
  dropPending(device: number): void {
    if (this.of(device) === STATE.pending) this.#enter(device, STATE.inactive)
    this.#clearing.clear(device)
    this.#waits.clear(device)
  }

  get bytes(): number {
    return this.#columns.reduce((sum, { cells }) => sum + cells.byteLength, 0)
  }

  save(device: number): Float64Array {
    return Float64Array.from(this.#columns, (column) => column.get(device))
  }

  load(device: number, record: Float64Array): void {
    if (record.length !== this.#columns.length) return
    this.#enter(device, record[0] as number)
    for (const [i, column] of this.#columns.entries()) column.set(device, record[i] as number)
  }

  /** When the alert began to fire. */
  firingSince(device: number): number {
    return this.#since.get(device)
  }

  get #columns(): readonly Column[] {
    return [this.#state, this.#since, this.#clearing, this.#changed, this.#streak, this.#waits]
  }

  #isLong(device: number): boolean {
    return this.#streak.get(device) >= this.limits.forReadings
  }

  #deadline(device: number): number {
    if (this.#waits.get(device) !== 0) return this.#changed.get(device) + 1
    const state = this.of(device)
    if (state === STATE.pending && this.#isLong(device)) return this.#since.get(device) + this.limits.forMicros
    const clearing = this.#clearing.get(device)
    return state === STATE.firing && !Number.isNaN(clearing) ? clearing + this.limits.keepMicros : NEVER
  }

  #judgeHolding(device: number, now: number, isReading: boolean): Step | undefined {
    const isNew = this.of(device) === STATE.inactive
    if (isNew) {
      this.#since.set(device, now)
      this.#streak.set(device, 1)
    } else if (isReading) this.#streak.set(device, this.#streak.get(device) + 1)
    const isLong = this.#isLong(device) && now - this.#since.get(device) >= this.limits.forMicros
    if (isLong) return this.#change(device, STATE.firing, now)
    return isNew ? this.#change(device, STATE.pending, now) : undefined
  }

  #judgeFiring(device: number, now: number, clears: boolean): Step | undefined {
    if (!clears) {
      this.#clearing.set(device, Number.NaN)
      return undefined
    }
    if (Number.isNaN(this.#clearing.get(device))) this.#clearing.set(device, now)
    if (now - this.#clearing.get(device) < this.limits.keepMicros) return undefined
    return this.#change(device, STATE.inactive, now)
  }

  #change(device: number, to: number, now: number): Step | undefined {
    const changed = this.#changed.get(device)
    if (changed === now) {
      this.#waits.set(device, 1)
      return undefined
    }
    const atMicros = Math.max(now, changed + 1)
    const from = this.of(device)
    const ends = from === STATE.firing
    const firingSince = ends ? this.#since.get(device) : to === STATE.firing ? atMicros : undefined
    this.#changed.set(device, atMicros)
    this.#clearing.set(device, Number.NaN)
    if (to === STATE.firing) this.#since.set(device, atMicros)
    this.#enter(device, to)
    return { from: NAMES[from] as AlertState, to: ends ? 'resolved' : (NAMES[to] as AlertState), atMicros, firingSince }
  }

  #enter(device: number, state: number): void {
    const was = this.of(device)
    this.firing += Number(state === STATE.firing) - Number(was === STATE.firing)
    this.pending += Number(state === STATE.pending) - Number(was === STATE.pending)
    this.#state.set(device, state)
  }
}
