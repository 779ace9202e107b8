/**
 * What is known of alerts, in the alerts' bucket, one record an alert:
 *
 * - `firing.<ns>.<rule>.<device>`: the transition since which it fires; removed when it resolves.
 * - `resolved.<ns>.<rule>.<device>`: the transition that ended it. It outlives the end for a while, so that a late repeat of the
 *   beginning does not bring the alert back, and an Alertmanager that was away hears of the end.
 * - `acknowledged.<ns>.<rule>.<device>`: who has seen it; it holds for the alert that fires since `firingSinceMicros` and no other.
 */
import { deviceToken } from '@fleetloom/crds/names'
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'
import { z } from 'zod'
import { readStored } from '../stored.ts'
import { type Transition, transition } from './transition.ts'

export type AlertRef = Pick<Transition, 'namespace' | 'rule' | 'device'>
export type RecordKind = 'firing' | 'resolved' | 'acknowledged'

/** KV key of a record. */
export const recordKey = (kind: RecordKind, { namespace, rule, device }: AlertRef): string =>
  `${kind}.${namespace}.${rule}.${deviceToken(device)}`

/** Filter over the keys of a kind: parts left out stand for all. */
export const recordFilter = (kind: RecordKind, part: Partial<AlertRef> = {}): string =>
  `${kind}.${part.namespace ?? '*'}.${part.rule ?? '*'}.${part.device === undefined ? '*' : deviceToken(part.device)}`

export const acknowledgement = z.object({
  version: z.string(),
  /** What somebody said; the key is what acknowledged. */
  author: z.string(),
  keyId: z.string().optional(),
  comment: z.string(),
  /** RFC 3339. */
  at: z.string(),
  firingSinceMicros: z.number().int(),
})

export type Acknowledgement = z.infer<typeof acknowledgement>

/** When the alert began to fire, µs: the transition itself says so, or is that moment. */
export const firingSince = ({ firingSinceMicros, atMicros }: Transition): number => firingSinceMicros ?? atMicros

/** A transition out of bytes; undefined when they hold none. */
export const parseTransition = (bytes: Uint8Array): Transition | undefined => {
  try {
    return transition.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data
  } catch {
    return undefined
  }
}

export type StoredRecord = {
  readonly key: string
  readonly value: Uint8Array
  /** Revision of the record, and its place in the order of the last change. */
  readonly revision: number
  /** When it was written, ms since the epoch. */
  readonly writtenMs: number
}

export type RecordPage = {
  readonly records: readonly StoredRecord[]
  /** Marks of records that were removed. */
  readonly removed: readonly StoredRecord[]
  /** Revision from which the next page goes on; undefined at the end. */
  readonly next: number | undefined
}

const PAGE = 256
const PAGE_BYTES = 1024 * 1024
const REMOVED = 'KV-Operation'

/** One page of the records whose key matches `filter`, in the order of their last change. */
export const readRecords = async (
  jsm: JetStreamManager,
  { bucket, filter, from = 1 }: { readonly bucket: string; readonly filter: string; readonly from?: number },
): Promise<RecordPage> => {
  const prefix = `$KV.${bucket}.`
  const page = { stream: `KV_${bucket}`, subject: `${prefix}${filter}`, from, limit: PAGE, maxBytes: PAGE_BYTES }
  const stored = await readStored(jsm, page)
  const recordOf = ({ subject, data, seq, timestamp }: StoredMsg): StoredRecord => ({
    key: subject.slice(prefix.length),
    value: data,
    revision: seq,
    writtenMs: Date.parse(timestamp),
  })
  const [records, removed] = [false, true].map((isRemoved) =>
    stored.filter(({ header }) => (header?.has(REMOVED) ?? false) === isRemoved).map(recordOf),
  ) as [StoredRecord[], StoredRecord[]]
  const last = stored.at(-1)
  return { records, removed, next: last === undefined ? undefined : last.seq + 1 }
}

/** All records of a kind, page by page. */
export async function* allRecords(
  jsm: JetStreamManager,
  bucket: string,
  filter: string,
): AsyncGenerator<StoredRecord, void> {
  for await (const { records } of allPages(jsm, bucket, filter)) yield* records
}

export async function* allPages(
  jsm: JetStreamManager,
  bucket: string,
  filter: string,
): AsyncGenerator<RecordPage, void> {
  for (let from: number | undefined = 1; from !== undefined; ) {
    const page: RecordPage = await readRecords(jsm, { bucket, filter, from })
    yield page
    from = page.next
  }
}

/** Removes a record, or the mark of one, without leaving a mark, unless it was written anew since `revision`. */
export const purgeRecord = async (
  jsm: JetStreamManager,
  bucket: string,
  { key, revision }: Pick<StoredRecord, 'key' | 'revision'>,
): Promise<void> => {
  await jsm.streams.purge(`KV_${bucket}`, { filter: `$KV.${bucket}.${key}`, seq: revision + 1 })
}
