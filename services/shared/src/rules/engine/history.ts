/**
 * The pieces of history that rules need, each once, and what feeds them: the columns of the telemetry rows and the types of events.
 */
import type { Measurement } from '../../pipeline/fleet-document.ts'
import type { Need, Reader, WindowFold } from '../need.ts'
import { EventCounts } from './event-count.ts'
import { EventRates } from './event-rate.ts'
import { ANSWER, PARTS_OF, type Part, type Whole } from './folds.ts'
import type { Moment } from './moment.ts'
import {
  Anomalies,
  type EventPiece,
  Heard,
  LastNumber,
  LastText,
  type NumberPiece,
  type Piece,
  Sketches,
} from './pieces.ts'
import type { Detector } from './ports.ts'
import type { ShardClock } from './shard-clock.ts'
import { Windows } from './windows.ts'

/** What one column feeds. */
export type Feed = {
  readonly windows: Windows[]
  readonly numbers: NumberPiece[]
  readonly texts: LastText[]
  readonly heard: Heard[]
}

/** What a rule reads: the reader, the pieces behind it, and for a need about silence how to judge it. */
export type Source = {
  readonly reader: Reader
  readonly pieces: readonly Piece[]
  readonly silence?: Silence
  /** What it asks of a window that other sources may share. */
  readonly share?: Share
}

export type Share = { readonly windows: Windows; readonly parts: readonly Part[] }

/** When silence began, on the shard's count of it, and how long it may last, ms. */
export type Silence = { readonly since: (device: number) => number; readonly ms: () => number }

type Options = {
  readonly moment: Moment
  readonly clock: ShardClock
  readonly detector: Detector
  readonly offline: Silence
}

type WindowNeed = Extract<Need, { readonly fn: WindowFold }>

/** Takes a number into all that it feeds. */
export const feedNumber = ({ windows, numbers }: Feed, device: number, value: number, micros: number): void => {
  for (let i = 0; i < windows.length; i++) windows[i]?.add(device, value, micros)
  for (let i = 0; i < numbers.length; i++) numbers[i]?.add(device, value, micros)
}

const emptyFeed = (): Feed => ({ windows: [], numbers: [], texts: [], heard: [] })

export class History {
  /** What columns of the telemetry rows feed, and what types of events do. */
  columns: Feed[] = []
  readonly events = new Map<string, EventPiece[]>()
  readonly #pieces = new Map<string, Piece>()
  readonly #options: Options
  #measurements: readonly Measurement[] = []

  constructor(options: Options) {
    this.#options = options
  }

  setMeasurements(measurements: readonly Measurement[]): void {
    this.#measurements = measurements
    this.#connect()
  }

  /** When a device is offline. */
  get offline(): Silence {
    return this.#options.offline
  }

  /** All pieces by the key that names what they keep. */
  get pieces(): ReadonlyMap<string, Piece> {
    return this.#pieces
  }

  /** How to read a need; its pieces are made if they are not there. */
  source(need: Need): Source {
    switch (need.fn) {
      case 'last':
        return this.#last(need.measurement)
      case 'percentile': {
        const sketches = this.#windowed(need, 'sketch', (clock) => new Sketches(clock))
        return { reader: (device) => sketches.quantile(device, need.q), pieces: [sketches] }
      }
      case 'absent':
        return this.#absent(need.measurement, need.windowMs)
      case 'offline':
        return this.#offline()
      case 'anomaly': {
        const anomalies = this.#piece(`anomaly|${this.#key(need.measurement)}`, () => this.#anomalies())
        return { reader: (device) => anomalies.score(device), pieces: [anomalies] }
      }
      case 'eventCount':
        return this.#eventCount(need.type, need.windowMs)
      case 'eventAnomaly':
        return this.#eventAnomaly(need.type)
      default:
        return this.#window(need)
    }
  }

  /** Drops the pieces, and the parts of windows, that no rule uses any more. */
  keep(used: readonly { readonly pieces: readonly Piece[]; readonly shares: readonly Share[] }[]): void {
    const pieces = new Set(used.flatMap((one) => one.pieces))
    for (const [key, piece] of this.#pieces) if (!pieces.has(piece)) this.#pieces.delete(key)
    const shares = Map.groupBy(
      used.flatMap((one) => one.shares),
      ({ windows }) => windows,
    )
    for (const [windows, all] of shares) windows.keep(all.flatMap(({ parts }) => parts))
    const lengths = new Set([...this.#pieces.keys()].map((key) => Number(key.split('|')[2])))
    this.#options.moment.keep((windowMs) => lengths.has(windowMs))
    this.#connect()
  }

  /** Bytes of all pieces, about. */
  get bytes(): number {
    return [...this.#pieces.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  #typeOf(measurement: string): Measurement['type'] {
    const known = this.#measurements.find(({ name }) => name === measurement)
    if (known) return known.type
    throw new Error(`the fleet has no measurement ${measurement}; the rule waits until it has`)
  }

  /** Names what a measurement is: after a change of type its history begins anew. */
  #key(measurement: string): string {
    return `${measurement}:${this.#typeOf(measurement)}`
  }

  #piece<T extends Piece>(key: string, make: () => T): T {
    const known = this.#pieces.get(key)
    if (known) return known as T
    const piece = make()
    this.#pieces.set(key, piece)
    this.#connect()
    return piece
  }

  #windowed<T extends Piece>(
    need: { readonly measurement: string; readonly windowMs: number },
    kind: string,
    make: (clock: ReturnType<Moment['clock']>) => T,
  ): T {
    const { measurement, windowMs } = need
    return this.#piece(`${kind}|${this.#key(measurement)}|${windowMs}`, () => make(this.#clock(windowMs)))
  }

  #clock(windowMs: number): ReturnType<Moment['clock']> {
    return this.#options.moment.clock(windowMs)
  }

  #last(measurement: string): Source {
    const type = this.#typeOf(measurement)
    if (type === 'Symbol' || type === 'String') {
      const last = this.#piece(`text|${this.#key(measurement)}`, () => new LastText())
      return { reader: (device) => last.text(device), pieces: [last] }
    }
    const last = this.#lastNumber(measurement)
    const numberOf = (device: number): number | undefined => {
      const value = last.value.get(device)
      return Number.isNaN(value) ? undefined : value
    }
    if (type !== 'Boolean') return { reader: numberOf, pieces: [last] }
    const truthOf = (device: number): boolean | undefined => {
      const value = numberOf(device)
      return value === undefined ? undefined : value === 1
    }
    return { reader: truthOf, pieces: [last] }
  }

  #lastNumber(measurement: string): LastNumber {
    return this.#piece(`last|${this.#key(measurement)}`, () => new LastNumber())
  }

  #window(need: WindowNeed): Source {
    const parts = PARTS_OF[need.fn]
    const windows = this.#windowed(need, 'window', (clock) => new Windows(parts, clock))
    windows.extend(parts)
    const answer: (whole: Whole) => number | undefined = ANSWER[need.fn]
    return { reader: (device) => answer(windows.whole(device)), pieces: [windows], share: { windows, parts } }
  }

  #absent(measurement: string, windowMs: number): Source {
    const { clock } = this.#options
    const heard = this.#piece(`heard|${this.#key(measurement)}`, () => new Heard(clock))
    const silence: Silence = { since: (device) => clock.heardAt(heard.at.get(device)), ms: () => windowMs }
    return { reader: (device) => clock.heard - silence.since(device) >= windowMs, pieces: [heard], silence }
  }

  #offline(): Source {
    const { clock, offline } = this.#options
    return { reader: (device) => clock.heard - offline.since(device) >= offline.ms(), pieces: [], silence: offline }
  }

  #anomalies(): Anomalies {
    return new Anomalies(this.#options.detector)
  }

  #eventCount(type: string, windowMs: number): Source {
    const counts = this.#piece(`count|event:${type}|${windowMs}`, () => new EventCounts(this.#clock(windowMs)))
    return { reader: (device) => counts.count(device), pieces: [counts] }
  }

  #eventAnomaly(type: string): Source {
    const { moment, detector } = this.#options
    const rates = this.#piece(`rate|event:${type}`, () => new EventRates(detector))
    return { reader: (device) => rates.score(device, moment.micros), pieces: [rates] }
  }

  /** Ties each piece to the column or the type of event that its key names. */
  #connect(): void {
    const columns = new Map(this.#measurements.map((column) => [`${column.name}:${column.type}`, emptyFeed()]))
    this.events.clear()
    for (const [key, piece] of this.#pieces) {
      const about = key.split('|')[1] as string
      if (about.startsWith('event:')) {
        this.#eventPieces(about.slice('event:'.length)).push(piece as EventPiece)
        continue
      }
      const feed = columns.get(about)
      if (piece instanceof LastText) feed?.texts.push(piece)
      else if (piece instanceof Heard) feed?.heard.push(piece)
      else if (piece instanceof Windows) feed?.windows.push(piece)
      else feed?.numbers.push(piece as NumberPiece)
    }
    this.columns = this.#measurements.map((column) => columns.get(`${column.name}:${column.type}`) as Feed)
  }

  #eventPieces(type: string): EventPiece[] {
    const pieces = this.events.get(type) ?? []
    this.events.set(type, pieces)
    return pieces
  }
}
