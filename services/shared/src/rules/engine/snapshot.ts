/**
 * A snapshot: everything that the stream has made of the shard, in chunks of at most 512 KiB.
 *
 *     length of the JSON (8 bytes) · JSON, filled up with spaces to whole numbers of 8 bytes · records
 *
 * The JSON names what the records are about: the devices by id, the pieces of history by what they keep, the rules by uid. A record is of
 * doubles only: part, device, length, and that many numbers, as the part's `save` gave them. So what still fits a later set of rules and
 * measurements is found by its name, and the rest is left.
 */
import type { RuleDocument } from '../../alerts/rule-document.ts'
import type { RecentKeys } from './recent-keys.ts'
import { drop, dropAll, placeRule, removeDevice } from './roster.ts'
import { type Compiled, type Rule, UNJUDGED } from './rule.ts'
import type { Shard } from './shard.ts'
import type { Row } from './waiting.ts'

const VERSION = 2
/** Longest chunk of a snapshot, bytes. */
export const CHUNK_BYTES = 512 * 1024
const WORD = 8

type Head = {
  readonly version: number
  /** UID of the fleet: another fleet of the same name begins afresh. */
  readonly fleet: string
  readonly clock: unknown
  readonly recent: unknown
  readonly devices: readonly (string | null)[]
  readonly pieces: readonly string[]
  readonly rules: readonly { readonly document: RuleDocument; readonly lastEvaluatedMicros: number }[]
  readonly waiting: readonly (readonly [device: number, rows: readonly Row[]])[]
}

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
 * it (`keep`); a change from outside finishes it first.
 */
export class SnapshotCopy {
  readonly #chunks = new Chunks()
  readonly #shard: Shard
  readonly #parts: readonly Part[]
  readonly #devices: readonly number[]
  readonly #isCopied: Uint8Array
  #next = 0
  #records = 0
  #whole: readonly Uint8Array[] | undefined

  constructor(shard: Shard, recent: RecentKeys) {
    this.#shard = shard
    this.#chunks.numbers(jsonWords(headOf(shard, recent)))
    this.#parts = partsOf(shard)
    this.#devices = [...shard.devices.table.all()]
    this.#isCopied = new Uint8Array(shard.devices.table.end)
    shard.copy = this
  }

  /** To be called before a device changes. */
  keep(device: number): void {
    if (this.#isCopied[device]) return
    this.#isCopied[device] = 1
    for (let part = 0; part < this.#parts.length; part++) {
      const { has, save } = this.#parts[part] as Part
      if (!has(device)) continue
      this.#chunks.record(part, device, save(device))
      this.#records++
    }
  }

  /** Copies some more; gives the chunks once it is whole. */
  step(): readonly Uint8Array[] | undefined {
    const end = this.#records + STEP_RECORDS
    while (this.#next < this.#devices.length && this.#records < end) this.keep(this.#devices[this.#next++] as number)
    return this.#next < this.#devices.length ? undefined : this.#done()
  }

  /** Copies the rest at once. */
  finish(): readonly Uint8Array[] {
    for (;;) {
      const chunks = this.step()
      if (chunks) return chunks
    }
  }

  #done(): readonly Uint8Array[] {
    if (this.#shard.copy === this) this.#shard.copy = undefined
    this.#whole ??= this.#chunks.done()
    return this.#whole
  }
}

type Load = (device: number, record: Float64Array) => void

const loadRule =
  (shard: Shard, rule: Rule, { isSame, removed }: { isSame: boolean; removed: ReadonlySet<string> }): Load =>
  (device, record) => {
    const isMatch = rule.watches(device) || removed.has(shard.devices.id(device))
    rule.states.load(device, record)
    if (!isMatch) drop(shard, rule, device, { cause: 'rule-changed' })
    else if (!isSame) rule.states.renew(device)
  }

/** A rule that is gone is put in once more, so that its alerts are resolved. */
const gone = (shard: Shard, document: RuleDocument, compiled: Compiled): Rule => {
  const rule = placeRule(shard, document, compiled)
  for (const device of shard.devices.table.all()) rule.states.watch(device)
  return rule
}

const isHead = (value: unknown): value is Head => (value as Head | null)?.version === VERSION

/** Undefined for bytes that are no snapshot of this version. */
const parse = (chunks: Iterable<Uint8Array>): { head: Head; words: Float64Array } | undefined => {
  const parts = [...chunks]
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  if (size < WORD || size % WORD !== 0) return undefined
  const all = new Float64Array(size / WORD)
  const bytes = Buffer.from(all.buffer)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  const length = all[0] as number
  try {
    const head: unknown = JSON.parse(bytes.toString('utf8', WORD, WORD + length))
    return isHead(head) ? { head, words: all.subarray(1 + Math.ceil(length / WORD)) } : undefined
  } catch {
    return undefined
  }
}

/** Brings back what fits the fleet, the rules and the devices that were set before; false when the snapshot is of no use. */
export const loadSnapshot = (shard: Shard, recent: RecentKeys, chunks: Iterable<Uint8Array>): boolean => {
  const parsed = parse(chunks)
  if (!parsed || parsed.head.fleet !== shard.fleet.uid) return false
  const { head, words } = parsed
  const { devices, history, clock } = shard
  clock.load(head.clock)
  recent.load(head.recent)
  const removed = new Set(head.devices.filter((id): id is string => id !== null && devices.table.findId(id) < 0))
  for (const id of removed) devices.add(id, {})
  const places = head.devices.map((id) => (id === null ? -1 : devices.table.findId(id)))
  const former: Rule[] = []
  const loads: (Load | undefined)[] = [
    (device, record) => devices.load(device, record),
    ...head.pieces.map((key) => loadPiece(shard, history.pieces.get(key))),
    ...head.rules.map(({ document, lastEvaluatedMicros }) => {
      const rule = shard.rules.find((one) => one.document.uid === document.uid)
      if (rule) rule.lastEvaluatedMicros = lastEvaluatedMicros
      else former.push(gone(shard, document, UNJUDGED))
      const isSame = rule?.document.generation === document.generation
      return loadRule(shard, rule ?? (former.at(-1) as Rule), { isSame, removed })
    }),
  ]
  readRecords(words, places, loads)
  for (const [device, rows] of head.waiting) for (const row of rows) shard.waiting.put(places[device] as number, row)
  for (const rule of former) {
    dropAll(shard, rule, 'rule-removed')
    rule.states.close()
  }
  settleDevices(shard, removed)
  return true
}

const loadPiece = (shard: Shard, piece: ReturnType<Shard['history']['pieces']['get']>): Load | undefined =>
  piece &&
  ((device, record) => void (piece.isWatched(device) && shard.devices.table.id(device) && piece.load(device, record)))

const readRecords = (words: Float64Array, places: readonly number[], loads: readonly (Load | undefined)[]): void => {
  for (let at = 0; at + 3 <= words.length; ) {
    const device = places[words[at + 1] as number] as number
    const end = at + 3 + (words[at + 2] as number)
    loads[words[at] as number]?.(device, words.subarray(at + 3, end))
    at = end
  }
}

/** Counts who is online, lets go of the devices that were removed meanwhile, and looks at the others at the next mark. */
const settleDevices = (shard: Shard, removed: ReadonlySet<string>): void => {
  const { devices, wheel } = shard
  const all = [...devices.table.all()]
  shard.online = all.filter((device) => devices.online.get(device) === 1).length
  for (const id of removed) removeDevice(shard, id, 'device-removed')
  for (const device of devices.table.all()) wheel.set(device, shard.clock.elapsed)
}
