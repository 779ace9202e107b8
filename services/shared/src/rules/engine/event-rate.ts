/**
 * The anomaly of the rate of one type of event: events are counted per minute of the device's time, and each full minute is a reading of the
 * detector. An hour after the last event the minutes without any are left out, until the next one comes. An event of the minute that is
 * just over counts in the one under way; one that is older is late.
 */
import type { EventPiece } from './pieces.ts'
import type { Detector } from './ports.ts'

const MINUTE = 60_000_000
const QUIET_MINUTES = 60

type Rate = { minute: number; count: number; lastEvent: number; score: number; state: Float64Array }

export class EventRates implements EventPiece {
  readonly #rates = new Map<number, Rate>()
  readonly #detector: Detector

  constructor(detector: Detector) {
    this.#detector = detector
  }

  watch(device: number): void {
    if (this.#rates.has(device)) return
    const state = this.#detector.create()
    this.#rates.set(device, { minute: 0, count: 0, lastEvent: 0, score: Number.NaN, state })
  }

  forget(device: number): void {
    this.#rates.delete(device)
  }

  isWatched(device: number): boolean {
    return this.#rates.has(device)
  }

  add(device: number, own: number, micros: number): boolean {
    const rate = this.#rates.get(device)
    const minute = Math.floor(micros / MINUTE)
    if (!rate || Math.floor(own / MINUTE) < minute - 1) return false
    this.#close(rate, micros)
    rate.minute = minute
    rate.lastEvent = minute
    rate.count++
    return true
  }

  /** The score of the last full minute before `micros`; undefined before there was one. */
  score(device: number, micros: number): number | undefined {
    const rate = this.#rates.get(device)
    if (!rate) return undefined
    this.#close(rate, micros)
    return Number.isNaN(rate.score) ? undefined : rate.score
  }

  nextLeave(device: number, from: number): number {
    const rate = this.#rates.get(device)
    if (!rate || rate.lastEvent === 0) return Number.POSITIVE_INFINITY
    const next = Math.max(rate.lastEvent + 1, Math.ceil(from / MINUTE))
    return next <= rate.lastEvent + QUIET_MINUTES ? next * MINUTE : Number.POSITIVE_INFINITY
  }

  save(device: number): Float64Array {
    const { minute, count, lastEvent, score, state } = this.#rates.get(device) as Rate
    return Float64Array.of(minute, count, lastEvent, score, ...state)
  }

  load(device: number, record: Float64Array): void {
    const [minute, count, lastEvent, score] = record
    if ((record.length - 4) * 8 !== this.#detector.stateBytes) return
    this.#rates.set(device, { minute, count, lastEvent, score, state: record.slice(4) } as Rate)
  }

  get bytes(): number {
    return this.#rates.size * (this.#detector.stateBytes + 96)
  }

  /** Gives the detector the minutes that are over. */
  #close(rate: Rate, micros: number): void {
    if (rate.lastEvent === 0) return
    const end = Math.min(Math.floor(micros / MINUTE), rate.lastEvent + QUIET_MINUTES)
    for (; rate.minute < end; rate.minute++) {
      rate.score = this.#detector.observe(rate.state, rate.minute * 60_000, rate.count)
      rate.count = 0
    }
  }
}
