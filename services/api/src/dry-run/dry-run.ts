/**
 * A dry run: what a rule would have done, told by the engine that the alerter runs, over the history that the database holds.
 *
 * Bounded by readings and by time, and cut short at what it was about then; in memory are only the page that is being read, the windows
 * of the devices, and the transitions that are told. It gives way to other requests every few milliseconds.
 */
import { setImmediate } from 'node:timers/promises'
import { instant } from '@fleetloom/shared/alerts/instant'
import { ALERT_STATES, type AlertState, type Transition } from '@fleetloom/shared/alerts/transition'
import { SETTLE_MICROS } from '@fleetloom/shared/rules/engine/shard'
import type { Entry, Range } from './in-order.ts'
import { Replay, type Watched } from './replay.ts'
import type { Trial } from './trial.ts'

/** Rows that one dry run reads, and how long it may take. */
export const BOUNDS = { rows: 1_000_000, ms: 60_000 } as const

export type Bounds = { readonly rows: number; readonly ms: number }

export type DryRunOptions = {
  readonly trial: Trial
  readonly watched: readonly Watched[]
  /** Transitions of this time are told; µs. */
  readonly range: Range
  /** Transitions that are told at most; the others are counted. */
  readonly limit: number
  /** Reads the history of a range, in order of time. */
  readonly read: (range: Range) => AsyncIterable<readonly Entry[]>
  readonly signal: AbortSignal
  /** µs since the epoch. */
  readonly nowMicros: number
  readonly bounds?: Bounds
}

type Counts = { devices: number; readings: number; events: number } & Record<AlertState, number>

export type DryRunResult = {
  readonly from: string
  readonly to: string
  /** Up to when the history was judged. */
  readonly until: string
  /** Why it does not reach `to`. */
  readonly cutShort?: string
  /** Why the rule was not judged to the end, for a rule that fails. */
  readonly fault?: string
  readonly counts: Counts
  /** Devices for which it fires at the end. */
  readonly firing: number
  readonly transitions: readonly object[]
}

const SLICE_MS = 10
/** Entries between two looks at the clock. */
const STRIDE = 32

const viewOf = ({ device, from, to, atMicros, value, firingSinceMicros }: Transition) => ({
  ...{ device, from, to, at: instant(atMicros) },
  ...(value !== undefined && { value }),
  ...(firingSinceMicros !== undefined && { firingSince: instant(firingSinceMicros) }),
})

/** Gives way to others when it has worked for a while. @throws the signal's reason */
const givingWay = (signal: AbortSignal) => {
  let started = performance.now()
  return async (): Promise<void> => {
    if (performance.now() - started < SLICE_MS) return
    await setImmediate()
    signal.throwIfAborted()
    started = performance.now()
  }
}

class DryRun {
  readonly #options: DryRunOptions
  readonly #bounds: Bounds
  readonly #replay: Replay
  readonly #startedMs = performance.now()
  readonly #giveWay: () => Promise<void>
  readonly #shown: object[] = []
  readonly #counts: Counts
  readonly #firing = new Set<string>()
  /** What is read: before `from` so that windows are full, after `to` so that silence is not mistaken. */
  readonly #read: Range
  #rows = 0
  #cutShort: string | undefined
  #until: number

  constructor(options: DryRunOptions) {
    const { trial, watched, range, nowMicros, signal, bounds = BOUNDS } = options
    const after = SETTLE_MICROS + trial.fleet.payload.allowedLatenessMs * 1000
    this.#options = options
    this.#bounds = bounds
    this.#read = {
      from: range.from - trial.leadMs * 1000,
      to: Math.max(range.to, Math.min(range.to + after, nowMicros)),
    }
    this.#until = range.to
    this.#replay = new Replay(trial, watched, this.#read.from)
    this.#giveWay = givingWay(signal)
    const states = Object.fromEntries(ALERT_STATES.map((state) => [state, 0])) as Record<AlertState, number>
    this.#counts = { devices: watched.length, readings: 0, events: 0, ...states }
  }

  async run(): Promise<DryRunResult> {
    if (await this.#takeAll()) await this.#pass(this.#read.to)
    this.#replay.end()
    this.#collect()
    return this.#result()
  }

  /** False when it was cut short. */
  async #takeAll(): Promise<boolean> {
    for await (const piece of this.#options.read(this.#read)) if (!(await this.#takePiece(piece))) return false
    return true
  }

  async #takePiece(piece: readonly Entry[]): Promise<boolean> {
    for (const entry of piece) {
      const isReached = this.#replay.hasReached(entry.micros) || (await this.#pass(entry.micros))
      if (!isReached || this.#isFull(entry.micros)) return false
      this.#put(entry)
      if (this.#rows % STRIDE === 0) await this.#giveWay()
    }
    return true
  }

  #put(entry: Entry): void {
    this.#rows++
    if (this.#replay.put(entry)) this.#counts[entry.kind === 'event' ? 'events' : 'readings']++
  }

  #isFull(micros: number): boolean {
    const { rows } = this.#bounds
    if (this.#rows < rows) return false
    return this.#cut(`it reads at most ${rows} rows: choose fewer devices or a shorter time`, micros)
  }

  #isSlow(micros: number): boolean {
    const { ms } = this.#bounds
    if (performance.now() - this.#startedMs <= ms) return false
    return this.#cut(`it takes at most ${ms / 1000} s: choose fewer devices or a shorter time`, micros)
  }

  #cut(why: string, micros: number): true {
    this.#cutShort = why
    this.#until = Math.min(this.#until, micros)
    return true
  }

  /** Lets time pass; false when it was cut short. */
  async #pass(micros: number): Promise<boolean> {
    while (!this.#replay.advance(micros)) {
      this.#collect()
      await this.#giveWay()
      if (this.#isSlow(this.#replay.reachedMicros)) return false
    }
    this.#collect()
    return !this.#isSlow(this.#replay.reachedMicros)
  }

  #collect(): void {
    for (const one of this.#replay.drain()) if (one.atMicros < this.#options.range.to) this.#tell(one)
  }

  #tell(one: Transition): void {
    const { range, limit } = this.#options
    if (one.to === 'firing') this.#firing.add(one.device)
    else if (one.to === 'resolved') this.#firing.delete(one.device)
    if (one.atMicros < range.from) return
    this.#counts[one.to]++
    if (this.#shown.length < limit) this.#shown.push(viewOf(one))
  }

  #result(): DryRunResult {
    const { from, to } = this.#options.range
    const { fault } = this.#replay
    return {
      ...{ from: instant(from), to: instant(to), until: instant(Math.max(from, this.#until)) },
      ...(this.#cutShort !== undefined && { cutShort: this.#cutShort }),
      ...(fault !== undefined && { fault }),
      ...{ counts: this.#counts, firing: this.#firing.size, transitions: this.#shown },
    }
  }
}

/** @throws QueryFailed, and the signal's reason */
export const dryRun = (options: DryRunOptions): Promise<DryRunResult> => new DryRun(options).run()
