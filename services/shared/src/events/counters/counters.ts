/**
 * Counts the events of one shard of a fleet as its stream is read: in all and in windows of event time, by type, and how many
 * users were active. The same messages give the same counts, whenever they are read.
 *
 * - A row that comes again in another batch counts once (`recent-keys.ts`), so the total is the number of rows in the table.
 * - The clock is that of the stream: JetStream times and progress marks. It never goes back. A window reaches up to it.
 * - An event is in each window that its own time lies in, however late it comes: lateness changes no window as seen once the
 *   event is read. One whose device's clock is ahead of the stream counts at the stream's time.
 *
 * Memory is bounded whatever is sent: some 2 MB for keys, 0.3 MB for windows by type, 1.5 MB at a million users.
 */
import { ActiveUsers } from './active-users.ts'
import { type CountersAnswer, type TypeCounts, WINDOWS, type WindowName } from './answer.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { EventTypes, OTHER } from './event-types.ts'
import { RecentKeys, type RowKey } from './recent-keys.ts'
import { encodeRegisters } from './registers.ts'
import { EventWindow } from './window.ts'

/** What is counted of an event; `EventRow` fits. */
export type CountedEvent = RowKey & { readonly type: string; readonly user?: string }

const FORMAT = 1
const NAMES = Object.keys(WINDOWS) as WindowName[]
/** A type that is in none of this window is in none of the others. */
const LONGEST: WindowName = '24h'

type Windows = Readonly<Record<WindowName, EventWindow>>
type State = { keys: RecentKeys; types: EventTypes; users: ActiveUsers; windows: Windows }

const windowsOf = (make: (lengthMicros: number) => EventWindow): Windows =>
  Object.fromEntries(NAMES.map((name) => [name, make(WINDOWS[name] * 1000)])) as Windows

const secondOf = (micros: number): number => Math.floor(micros / 1e6)

export class EventCounters {
  readonly #state: State
  #nowMicros = 0
  #total = 0
  #late = 0

  constructor(state?: State) {
    this.#state = state ?? {
      keys: new RecentKeys(),
      types: new EventTypes(),
      users: new ActiveUsers(),
      windows: windowsOf((length) => new EventWindow(length)),
    }
  }

  /** Moves the clock on to a time of the stream, µs since the epoch; an earlier one changes nothing. */
  advance(streamMicros: number): void {
    if (streamMicros <= this.#nowMicros) return
    this.#nowMicros = streamMicros
    for (const name of NAMES) this.#state.windows[name].advance(streamMicros)
  }

  /** Counts an event of a message that the stream stored at `streamMicros`; false for a repeat. */
  add(event: CountedEvent, streamMicros: number): boolean {
    this.advance(streamMicros)
    const { keys, types, users, windows } = this.#state
    if (!keys.add(event)) return false
    const atMicros = Math.min(event.micros, this.#nowMicros)
    const type = types.add(event.type, (one) => windows[LONGEST].count(one) === 0)
    for (const name of NAMES) {
      const isIn = windows[name].add(atMicros, type)
      if (name === LONGEST && !isIn) this.#late++
    }
    if (event.user) users.add(event.user, secondOf(atMicros))
    this.#total++
    return true
  }

  answer(): CountersAnswer {
    const { types, users, windows } = this.#state
    const answerOf = (name: WindowName) => ({
      ...this.#countsBy((type) => windows[name].count(type)),
      users: encodeRegisters(users.since(secondOf(windows[name].startMicros))),
    })
    return {
      asOfMicros: this.#nowMicros,
      total: this.#total,
      late: this.#late,
      ever: { ...this.#countsBy((type) => types.total(type)), users: encodeRegisters(users.since(0)) },
      windows: Object.fromEntries(NAMES.map((name) => [name, answerOf(name)])) as CountersAnswer['windows'],
    }
  }

  #countsBy(countOf: (type: number) => number): TypeCounts {
    const { types } = this.#state
    const named: [string, number][] = []
    for (let type = OTHER + 1; type < types.size; type++)
      if (countOf(type) > 0) named.push([types.name(type), countOf(type)])
    return { types: named, other: countOf(OTHER) }
  }

  /** Everything, for a checkpoint: `decode` goes on where this is. */
  encode(): Uint8Array {
    const { keys, types, users, windows } = this.#state
    const out = new ByteWriter()
    out.u8(FORMAT)
    for (const number of [this.#nowMicros, this.#total, this.#late]) out.f64(number)
    types.write(out)
    for (const name of NAMES) windows[name].write(out)
    users.write(out)
    keys.write(out)
    return out.done()
  }

  /** @throws RangeError for bytes of another format, or a part of some. */
  static decode(bytes: Uint8Array): EventCounters {
    const from = new ByteReader(bytes)
    const format = from.u8()
    if (format !== FORMAT) throw new RangeError(`event counters of format ${format}, and ${FORMAT} is known`)
    const [now, total, late] = [from.f64(), from.f64(), from.f64()] as const
    const types = EventTypes.read(from)
    const windows = windowsOf((length) => EventWindow.read(from, length))
    const users = ActiveUsers.read(from)
    const counters = new EventCounters({ types, windows, users, keys: RecentKeys.read(from) })
    counters.#nowMicros = now
    counters.#total = total
    counters.#late = late
    return counters
  }
}
