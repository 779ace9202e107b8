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

export const VERSION = 2
/** Longest chunk of a snapshot, bytes. */
export const CHUNK_BYTES = 512 * 1024
export const WORD = 8

export type Head = {
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
