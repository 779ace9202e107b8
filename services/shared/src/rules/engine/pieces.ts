/**
 * Pieces of history: what is kept of one measurement, or of one type of event, for the devices that a rule watches. Rules that need
 * the same share one piece. `add` is told of a reading at the engine's moment; readers answer for that moment.
 */
import { Column } from './column.ts'
import type { WindowClock } from './moment.ts'
import type { Detector } from './ports.ts'
import type { ShardClock } from './shard-clock.ts'
import { Sketch } from './sketch.ts'

export type Piece = {
  readonly watch: (device: number) => void
  readonly forget: (device: number) => void
  readonly isWatched: (device: number) => boolean
  /** The first time in µs, not before `from`, at which it changes by itself; infinite for never. */
  readonly nextLeave: (device: number, from: number) => number
  /** What it knows of a watched device, and the way back; a record that is none of its own is left. */
  readonly save: (device: number) => Float64Array
  readonly load: (device: number, record: Float64Array) => void
  readonly bytes: number
}

/** A piece made of numbers, booleans being 1 and 0. */
export type NumberPiece = Piece & { readonly add: (device: number, value: number, micros: number) => void }

/** A piece made of events. `add` is told of one of its `own` time at the device's, µs, and tells whether it was not too late to count. */
export type EventPiece = Piece & { readonly add: (device: number, own: number, micros: number) => boolean }

const NEVER = Number.POSITIVE_INFINITY

/** One object per watched device. */
abstract class Objects<T> {
  protected readonly all: (T | undefined)[] = []

  protected abstract make(): T

  watch(device: number): void {
    this.all[device] ??= this.make()
  }

  forget(device: number): void {
    this.all[device] = undefined
  }

  isWatched(device: number): boolean {
    return this.all[device] !== undefined
  }

  nextLeave(_device: number, _from: number): number {
    return NEVER
  }
}

/** The last number and its time. */
export class LastNumber extends Objects<true> implements NumberPiece {
  readonly value = new Column(Number.NaN)
  readonly micros = new Column(Number.NEGATIVE_INFINITY)

  protected make(): true {
    return true
  }

  override forget(device: number): void {
    super.forget(device)
    this.value.clear(device)
    this.micros.clear(device)
  }

  add(device: number, value: number, micros: number): void {
    if (!this.isWatched(device)) return
    this.value.set(device, value)
    this.micros.set(device, micros)
  }

  save(device: number): Float64Array {
    return Float64Array.of(this.value.get(device), this.micros.get(device))
  }

  load(device: number, [value, micros]: Float64Array): void {
    if (value !== undefined && micros !== undefined) this.add(device, value, micros)
  }

  get bytes(): number {
    return (this.value.cells.length + this.micros.cells.length + this.all.length) * 8
  }
}

/** The last text. */
export class LastText extends Objects<{ text: string | undefined }> implements Piece {
  protected make(): { text: string | undefined } {
    return { text: undefined }
  }

  put(device: number, text: string): void {
    const last = this.all[device]
    if (last) last.text = text
  }

  text(device: number): string | undefined {
    return this.all[device]?.text
  }

  save(device: number): Float64Array {
    const text = this.text(device)
    return text === undefined ? new Float64Array(0) : Float64Array.from(Buffer.from(`=${text}`))
  }

  load(device: number, record: Float64Array): void {
    if (record.length > 0) this.put(device, Buffer.from(record).toString('utf8').slice(1))
  }

  get bytes(): number {
    return this.all.length * 32
  }
}

/** When the measurement was heard last, in the time of the stream, ms; at first, when it was first watched. */
export class Heard extends Objects<true> implements Piece {
  readonly at = new Column(0)
  readonly #clock: ShardClock

  constructor(clock: ShardClock) {
    super()
    this.#clock = clock
  }

  protected make(): true {
    return true
  }

  override watch(device: number): void {
    if (!this.isWatched(device)) this.at.set(device, this.#clock.now)
    super.watch(device)
  }

  hear(device: number, storedMs: number): void {
    this.at.set(device, this.#clock.hearing(storedMs))
  }

  save(device: number): Float64Array {
    return Float64Array.of(this.at.get(device))
  }

  load(device: number, record: Float64Array): void {
    this.at.set(device, record[0] ?? this.#clock.now)
  }

  get bytes(): number {
    return (this.at.cells.length + this.all.length) * 8
  }
}

export class Sketches extends Objects<Sketch> implements NumberPiece {
  readonly #clock: WindowClock

  constructor(clock: WindowClock) {
    super()
    this.#clock = clock
  }

  protected make(): Sketch {
    return new Sketch(this.#clock)
  }

  add(device: number, value: number): void {
    this.all[device]?.add(value)
  }

  quantile(device: number, q: number): number | undefined {
    return this.all[device]?.quantile(q)
  }

  override nextLeave(device: number, from: number): number {
    return this.all[device]?.nextLeave(from) ?? NEVER
  }

  save(device: number): Float64Array {
    return this.all[device]?.save() ?? new Float64Array(0)
  }

  load(device: number, record: Float64Array): void {
    this.all[device]?.load(record)
  }

  get bytes(): number {
    return this.all.reduce((sum, sketch) => sum + 8 + (sketch?.bytes ?? 0), 0)
  }
}

/** The anomaly of each reading, by the detector; the score is undefined before the first. */
export class Anomalies extends Objects<Float64Array> implements NumberPiece {
  readonly #scores = new Column(Number.NaN)
  readonly #detector: Detector

  constructor(detector: Detector) {
    super()
    this.#detector = detector
  }

  protected make(): Float64Array {
    return this.#detector.create()
  }

  override forget(device: number): void {
    super.forget(device)
    this.#scores.clear(device)
  }

  add(device: number, value: number, micros: number): void {
    const state = this.all[device]
    if (state) this.#scores.set(device, this.#detector.observe(state, micros / 1000, value))
  }

  score(device: number): number | undefined {
    const score = this.#scores.get(device)
    return Number.isNaN(score) ? undefined : score
  }

  save(device: number): Float64Array {
    return Float64Array.of(this.#scores.get(device), ...(this.all[device] ?? []))
  }

  load(device: number, record: Float64Array): void {
    if ((record.length - 1) * 8 !== this.#detector.stateBytes) return
    this.#scores.set(device, record[0] as number)
    this.all[device] = record.slice(1)
  }

  get bytes(): number {
    const states = this.all.filter((state) => state !== undefined).length
    return states * this.#detector.stateBytes + this.#scores.cells.byteLength
  }
}
