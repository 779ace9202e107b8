/**
 * Shows the stored history to an engine of rules as the stream would have brought it: each second a progress mark, then the rows of
 * that second. So deadlines, windows and silence are judged as by an alerter, for which ingest was up all the time.
 *
 * A device is known from when it was registered, or from its first row where that is earlier.
 */
import { namesOf } from '@fleetloom/crds/names'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { ShardEngine } from '@fleetloom/shared/rules/engine/engine'
import { enginePorts } from '@fleetloom/shared/rules/ports'
import type { Entry } from './in-order.ts'
import type { Trial } from './trial.ts'

export type Watched = {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly createdMicros: number
}

/** Marks that are given at a time. */
const MOST_MARKS = 64
/** Length of what is given to the engine at a time. */
const MAX_LINES = 64 * 1024
const SECOND_MICROS = 1e6

const secondOf = (micros: number): number => Math.floor(micros / SECOND_MICROS)

export class Replay {
  readonly #engine: ShardEngine
  readonly #watched: ReadonlyMap<string, Watched>
  /** Who is not known yet, the last to come first. */
  readonly #later: Watched[]
  #second: number
  #kind: Entry['kind'] = 'reading'
  #lines = ''

  constructor({ fleet, rule }: Pick<Trial, 'fleet' | 'rule'>, watched: readonly Watched[], fromMicros: number) {
    const eventsTable = namesOf(fleet.installation).eventsTable(fleet.namespace)
    this.#engine = new ShardEngine(fleet, { ports: enginePorts, shard: 0, eventsTable })
    this.#watched = new Map(watched.map((one) => [one.id, one]))
    this.#later = watched.toSorted((a, b) => b.createdMicros - a.createdMicros)
    this.#second = secondOf(fromMicros)
    const fault = this.#engine.setRule(rule)
    if (fault !== undefined) throw new Error(fault)
    this.#mark()
  }

  get reachedMicros(): number {
    return this.#second * SECOND_MICROS
  }

  hasReached(micros: number): boolean {
    return micros < this.reachedMicros + SECOND_MICROS
  }

  /** Lets time pass up to `micros`, not too much at once: false means that there is more to pass. */
  advance(micros: number): boolean {
    const target = secondOf(micros)
    if (target <= this.#second) return true
    this.#flush()
    for (let marks = 0; marks < MOST_MARKS && this.#second < target; marks++) {
      this.#second++
      this.#mark()
    }
    return this.#second === target
  }

  /** Takes an entry of the second that was reached. False for a device that is not watched. */
  put({ device, kind, line }: Entry): boolean {
    const watched = this.#watched.get(device)
    if (watched === undefined) return false
    if (kind !== this.#kind || this.#lines.length > MAX_LINES) this.#flush()
    this.#kind = kind
    this.#lines += line
    if (watched.createdMicros > this.#second * SECOND_MICROS) this.#know(watched)
    return true
  }

  /** The transitions since the last call. */
  drain(): readonly Transition[] {
    return this.#engine.drain()
  }

  /** Uses what was put. */
  end(): void {
    this.#flush()
  }

  /** Why the rule is not judged as it should be, if so. */
  get fault(): string | undefined {
    return this.#engine.counts()[0]?.message
  }

  #know({ id, labels }: Watched): void {
    this.#engine.setDevice(id, { labels })
  }

  #mark(): void {
    const ms = this.#second * 1000
    this.#engine.take({ body: new Uint8Array(0), storedMs: ms, progress: { session: 0, ms } })
    for (let next = this.#later.at(-1); next && next.createdMicros <= ms * 1000; next = this.#later.at(-1)) {
      this.#know(next)
      this.#later.pop()
    }
  }

  #flush(): void {
    if (this.#lines === '') return
    const message = { body: Buffer.from(this.#lines), storedMs: (this.#second + 1) * 1000 }
    if (this.#kind === 'event') this.#engine.takeEvents(message)
    else this.#engine.take(message)
    this.#lines = ''
  }
}
