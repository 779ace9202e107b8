/** A snapshot that is copied while the shard goes on. What it looks like is in `snapshot.ts`. */
import type { RecentKeys } from './recent-keys.ts'
import type { Shard } from './shard.ts'
import { CHUNK_BYTES, type Head, VERSION, WORD } from './snapshot.ts'

/** Collects doubles in chunks. */
class Chunks {
  readonly all: Uint8Array[] = []
  readonly #about = new Float64Array(3)
  #chunk = new Float64Array(0)
  #at = 0

  numbers(source: Float64Array): void {
    let from = 0
    while (from < source.length) {
      if (this.#at === this.#chunk.length) this.#begin()
      const part = source.subarray(from, from + this.#chunk.length - this.#at)
      this.#chunk.set(part, this.#at)
      this.#at += part.length
      from += part.length
    }
  }

  record(part: number, device: number, record: Float64Array): void {
    this.#about[0] = part
    this.#about[1] = device
    this.#about[2] = record.length
    this.numbers(this.#about)
    this.numbers(record)
  }

  done(): Uint8Array[] {
    const last = this.all.pop()
    return last ? [...this.all, last.subarray(0, this.#at * WORD)] : []
  }

  #begin(): void {
    this.#chunk = new Float64Array(CHUNK_BYTES / WORD)
    this.#at = 0
    this.all.push(new Uint8Array(this.#chunk.buffer))
  }
}

const headOf = (shard: Shard, recent: RecentKeys): Head => {
  const { devices, clock, fleet, history, rules, waiting } = shard
  const all = [...devices.table.all()]
  return {
    ...{ version: VERSION, fleet: fleet.uid, clock: clock.save(), recent: recent.save() },
    devices: Array.from({ length: devices.table.end }, (_, device) => devices.table.id(device) ?? null),
    pieces: [...history.pieces.keys()],
    rules: rules.map(({ document, lastEvaluatedMicros }) => ({ document, lastEvaluatedMicros })),
    waiting: all.map((device) => [device, waiting.rows(device)] as const).filter(([, rows]) => rows.length > 0),
  }
}

const jsonWords = (head: Head): Float64Array => {
  const json = Buffer.from(JSON.stringify(head))
  const words = new Float64Array(1 + Math.ceil(json.length / WORD))
  words[0] = json.length
  Buffer.from(words.buffer, WORD).fill(0x20).set(json)
  return words
}

/** What the records are about, in the order of their part: who has one, and what is in it, until the next is asked for. */
type Part = { readonly has: (device: number) => boolean; readonly save: (device: number) => Float64Array }

const partsOf = ({ devices, history, rules }: Shard): readonly Part[] => [
  { has: () => true, save: (device) => devices.save(device) },
  ...[...history.pieces.values()].map((piece) => ({ has: piece.isWatched.bind(piece), save: piece.save.bind(piece) })),
  ...rules.map((rule) => ({
    has: (device: number) => rule.watches(device),
    save: (device: number) => rule.states.save(device),
  })),
]

/** Records copied in one step: some tenths of a millisecond. */
const STEP_RECORDS = 100

/**
 * A snapshot of the shard as it is when this is made. It is copied in steps while the shard goes on, each device before the stream changes
 * it (`keep`); a change from outside finishes it first, and another snapshot takes its place. What goes wrong is told to who asks for the chunks, and harms nobody else.
 */
export class SnapshotCopy {
  readonly #chunks = new Chunks()
  readonly #shard: Shard
  readonly #parts: readonly Part[]
  readonly #devices: readonly number[]
  readonly #isCopied: Uint8Array
  #next = 0
  #records = 0
  #fault: unknown
  #whole: readonly Uint8Array[] | undefined

  constructor(shard: Shard, recent: RecentKeys) {
    this.#shard = shard
    this.#chunks.numbers(jsonWords(headOf(shard, recent)))
    this.#parts = partsOf(shard)
    this.#devices = [...shard.devices.table.all()]
    this.#isCopied = new Uint8Array(shard.devices.table.end)
    const former = shard.copy
    if (former) former.#fault ??= new Error('another snapshot was begun')
    shard.copy = this
  }

  /** To be called before a device changes. Never throws. */
  keep(device: number): void {
    if (this.#isCopied[device]) return
    this.#isCopied[device] = 1
    try {
      this.#copy(device)
    } catch (error) {
      this.#fault ??= error
      this.#end()
    }
  }

  /** Copies the rest at once. Never throws. */
  finish(): void {
    this.#copyUpTo(Number.POSITIVE_INFINITY)
  }

  /** Copies some more; gives the chunks once it is whole. @throws what went wrong */
  step(): readonly Uint8Array[] | undefined {
    this.#copyUpTo(this.#records + STEP_RECORDS)
    if (this.#fault !== undefined) throw this.#fault
    return this.#whole
  }

  #copyUpTo(records: number): void {
    const devices = this.#devices
    while (this.#next < devices.length && this.#records < records) this.keep(devices[this.#next++] as number)
    if (this.#next < devices.length || this.#whole) return
    this.#whole = this.#chunks.done()
    this.#end()
  }

  #copy(device: number): void {
    for (let part = 0; part < this.#parts.length; part++) {
      const { has, save } = this.#parts[part] as Part
      if (!has(device)) continue
      this.#chunks.record(part, device, save(device))
      this.#records++
    }
  }

  #end(): void {
    if (this.#shard.copy === this) this.#shard.copy = undefined
  }
}
