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
import type { Board } from './board.ts'
import type { Condition } from './ports.ts'
import { Records } from './records.ts'

export const STATE = { unwatched: 0, inactive: 1, pending: 2, firing: 3 } as const

const NAMES = ['inactive', 'inactive', 'pending', 'firing'] as const satisfies readonly AlertState[]
const NEVER = Number.POSITIVE_INFINITY
const HELD = Number.POSITIVE_INFINITY

export type Limits = { readonly forMicros: number; readonly forReadings: number; readonly keepMicros: number }

export type Conditions = { readonly when: Condition; readonly clear: Condition | undefined }

/** An alert that fires by what was told of it: since when, and when that was told, µs. */
export type Adopted = { readonly sinceMicros: number; readonly atMicros: number }

/** A change of state. */
export type Step = {
  readonly from: AlertState
  readonly to: AlertState
  readonly atMicros: number
  /** On the way to and from firing. */
  readonly firingSince: number | undefined
}

/** On the board beside a state: a change waits for the next instant. */
const WAITS = 4
/** A record holds what few readings ask for. When `when` began to hold, or when the alert began to fire. */
const SINCE = 0
/** While firing: since when the clear condition holds; NaN when it does not, and HELD where that is not asked yet. */
const CLEARING = 1
const CHANGED = 2
/** Readings in a row that `when` held for. */
const STREAK = 3
const BLANK = [0, Number.NaN, Number.NEGATIVE_INFINITY, 0]

export class AlertStates {
  limits: Limits
  /** Devices by what their alert is. */
  firing = 0
  pending = 0
  readonly #records = new Records(BLANK)
  readonly #board: Board
  readonly #seat: number
  readonly #saved = new Float64Array(2 + BLANK.length)

  constructor(limits: Limits, board: Board) {
    this.limits = limits
    this.#board = board
    this.#seat = board.takeSeat()
  }

  /** Gives up the seat on the board: the rule is gone. */
  close(): void {
    this.#board.leaveSeat(this.#seat)
  }

  of(device: number): number {
    return this.#board.state(device, this.#seat) & ~WAITS
  }

  watch(device: number): void {
    if (this.of(device) !== STATE.unwatched) return
    this.#records.clear(device)
    this.#board.setState(device, this.#seat, STATE.inactive)
    this.setDue(device, Number.NEGATIVE_INFINITY)
  }

  /**
   * When time alone changes something: a whole number is the instant (infinite for never), and t + ½ says no more than that it is after
   * t, the last judgement. An instant is to be known before another rule's judgement moves the windows that both share.
   */
  due(device: number): number {
    return this.#board.due(device, this.#seat)
  }

  setDue(device: number, due: number): void {
    this.#board.setDue(device, this.#seat, due)
  }

  /** Judges a device at `now`; `isReading` when a reading of its own is why. */
  judge(device: number, now: number, isReading: boolean, { when, clear }: Conditions): Step | undefined {
    const holds = when(device)
    if (this.#waits(device)) this.#enter(device, this.of(device))
    const state = this.of(device)
    if (state === STATE.firing) {
      const clears = clear ? clear(device) === true && holds !== true : holds === false
      return this.#judgeFiring(device, now, clears)
    }
    if (holds === true) return this.#judgeHolding(device, now, isReading)
    return state === STATE.pending ? this.#change(device, STATE.inactive, now) : undefined
  }

  /** Takes over an alert that fires by what was told of it, and holds it: it is not judged until it is released. */
  adopt(device: number, { sinceMicros, atMicros }: Adopted): void {
    this.#enter(device, STATE.firing)
    this.#set(device, SINCE, sinceMicros)
    this.#set(device, CHANGED, atMicros)
    this.#set(device, CLEARING, HELD)
  }

  /** Ends the hold on an alert; `isDue`: it is judged as soon as its device's time moves on, should no reading come. */
  release(device: number, isDue: boolean): void {
    this.#set(device, CLEARING, Number.NaN)
    this.setDue(device, isDue ? this.#get(device, CHANGED) + 1 : Number.NEGATIVE_INFINITY)
  }

  isHeld(device: number): boolean {
    return this.of(device) === STATE.firing && this.#get(device, CLEARING) === HELD
  }

  /** The first time, not before `from`, at which time alone changes the state; infinite for never. */
  deadline(device: number, from: number): number {
    return Math.max(from, this.#deadline(device))
  }

  /** Takes the device from the rule at `now`: what fires is resolved. */
  drop(device: number, now: number): Step | undefined {
    const at = Math.max(now, this.#get(device, CHANGED) + 1)
    const step = this.of(device) === STATE.firing ? this.#change(device, STATE.inactive, at) : undefined
    this.#enter(device, STATE.unwatched)
    this.setDue(device, NEVER)
    return step
  }

  /** Drops what is pending, and all that time alone would do: the rule is another now. */
  renew(device: number): void {
    if (this.of(device) === STATE.unwatched) return
    this.#enter(device, this.of(device) === STATE.pending ? STATE.inactive : this.of(device))
    this.#set(device, CLEARING, Number.NaN)
    this.setDue(device, Number.NEGATIVE_INFINITY)
  }

  get bytes(): number {
    return this.#records.cells.byteLength
  }

  /** State and due as they are on the board, and the record; valid until the next call. */
  save(device: number): Float64Array {
    const saved = this.#saved
    saved[0] = this.#board.state(device, this.#seat)
    saved[1] = this.due(device)
    saved.set(this.#records.record(device), 2)
    return saved
  }

  load(device: number, record: Float64Array): void {
    if (record.length !== 2 + BLANK.length) return
    const state = record[0] as number
    this.#enter(device, state & ~WAITS)
    this.#board.setState(device, this.#seat, state)
    this.setDue(device, record[1] as number)
    this.#records.record(device).set(record.subarray(2))
  }

  #waits(device: number): boolean {
    return this.#board.state(device, this.#seat) >= WAITS
  }

  #get(device: number, what: number): number {
    return this.#records.cells[this.#records.at(device) + what] as number
  }

  #set(device: number, what: number, value: number): void {
    const at = this.#records.at(device) + what
    this.#records.cells[at] = value
  }

  #isLong(device: number): boolean {
    return this.#get(device, STREAK) >= this.limits.forReadings
  }

  #deadline(device: number): number {
    if (this.#waits(device)) return this.#get(device, CHANGED) + 1
    const state = this.of(device)
    if (state === STATE.pending && this.#isLong(device)) return this.#get(device, SINCE) + this.limits.forMicros
    const clearing = this.#get(device, CLEARING)
    return state === STATE.firing && !Number.isNaN(clearing) ? clearing + this.limits.keepMicros : NEVER
  }

  #judgeHolding(device: number, now: number, isReading: boolean): Step | undefined {
    const isNew = this.of(device) === STATE.inactive
    if (isNew) {
      this.#set(device, SINCE, now)
      this.#set(device, STREAK, 1)
    } else if (isReading) this.#set(device, STREAK, this.#get(device, STREAK) + 1)
    const isLong = this.#isLong(device) && now - this.#get(device, SINCE) >= this.limits.forMicros
    if (isLong) return this.#change(device, STATE.firing, now)
    return isNew ? this.#change(device, STATE.pending, now) : undefined
  }

  #judgeFiring(device: number, now: number, clears: boolean): Step | undefined {
    if (this.#get(device, CLEARING) === HELD) return undefined
    if (!clears) {
      this.#set(device, CLEARING, Number.NaN)
      return undefined
    }
    if (Number.isNaN(this.#get(device, CLEARING))) this.#set(device, CLEARING, now)
    if (now - this.#get(device, CLEARING) < this.limits.keepMicros) return undefined
    return this.#change(device, STATE.inactive, now)
  }

  #change(device: number, to: number, now: number): Step | undefined {
    const changed = this.#get(device, CHANGED)
    if (changed === now) {
      this.#board.setState(device, this.#seat, this.of(device) + WAITS)
      return undefined
    }
    const atMicros = Math.max(now, changed + 1)
    const from = this.of(device)
    const ends = from === STATE.firing
    const firingSince = ends ? this.#get(device, SINCE) : to === STATE.firing ? atMicros : undefined
    this.#set(device, CHANGED, atMicros)
    this.#set(device, CLEARING, Number.NaN)
    if (to === STATE.firing) this.#set(device, SINCE, atMicros)
    this.#enter(device, to)
    return { from: NAMES[from] as AlertState, to: ends ? 'resolved' : (NAMES[to] as AlertState), atMicros, firingSince }
  }

  #enter(device: number, state: number): void {
    const was = this.of(device)
    this.firing += Number(state === STATE.firing) - Number(was === STATE.firing)
    this.pending += Number(state === STATE.pending) - Number(was === STATE.pending)
    this.#board.setState(device, this.#seat, state)
  }
}
