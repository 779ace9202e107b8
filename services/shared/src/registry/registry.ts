/**
 * The device registry: one KV key per device, written by compare and set on its revision. A removed device leaves a
 * tombstone without its secret, over which the same id may be registered again; its certificates stay, revoked, until they expire.
 *
 * Listing goes through the bucket's stream by sequence, so a page costs what it scans and memory is bounded by the page. The
 * order is that of the last change: a device that changes while it is listed comes again further on, none is left out.
 */
import { deviceKey } from '@fleetloom/crds/names'
import { JetStreamApiError, type JetStreamManager, type StoredMsg } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { readStored } from '../stored.ts'
import { allRevoked, type DeviceRecord, deviceRecord } from './device-record.ts'
import { NO_SECRET } from './secret.ts'

export type Entry = { readonly record: DeviceRecord; readonly revision: number }

export type NewDevice = Pick<
  DeviceRecord,
  'namespace' | 'fleet' | 'device' | 'type' | 'labels' | 'displayName' | 'authentication' | 'secret'
>

type DeviceName = Pick<DeviceRecord, 'namespace' | 'device'>
type Change = (record: DeviceRecord) => DeviceRecord

export type ListQuery = {
  /** All namespaces when absent. */
  readonly namespace?: string
  readonly match?: (record: DeviceRecord) => boolean
  readonly limit: number
  /** Where the page before ended. */
  readonly from?: number
}

export type Page = {
  readonly entries: readonly Entry[]
  /** Where the next page begins; absent on the last one. A page may be short, even empty, and not the last. */
  readonly next?: number
}

export class DeviceExists extends Error {
  override name = 'DeviceExists'
  readonly fleet: string
  constructor({ namespace, device, fleet }: DeviceRecord) {
    super(`device ${device} already exists in namespace ${namespace}, in fleet ${fleet}`)
    this.fleet = fleet
  }
}

/** The device changed meanwhile. */
export class RevisionConflict extends Error {
  override name = 'RevisionConflict'
}

const WRONG_LAST_SEQUENCE = new Set([10071, 10164])
const PAGE = 256
/** Pages of records that one page of a list looks through at most. */
const SCAN_PAGES = 16
const CHANGE_ATTEMPTS = 5

const isConflict = (error: unknown): boolean =>
  error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code)

const isThere = ({ removedAt }: DeviceRecord): boolean => removedAt === undefined

/** The device that a message of the bucket's stream holds, if it is there. */
const entryOf = ({ data, seq }: StoredMsg): Entry | undefined => {
  const record = parseDevice(data)
  return record && isThere(record) ? { record, revision: seq } : undefined
}

const after = (sequence: number | undefined): number | undefined => (sequence === undefined ? undefined : sequence + 1)

/** A short page is the last. */
const lastOfFull = (stored: readonly StoredMsg[]): number | undefined =>
  stored.length < PAGE ? undefined : stored.at(-1)?.seq

const encode = (record: DeviceRecord): Uint8Array => new TextEncoder().encode(JSON.stringify(record))

/** The record in `bytes`; undefined for a deleted key or for one that is not a device record. */
export const parseDevice = (bytes: Uint8Array): DeviceRecord | undefined => {
  if (bytes.length === 0) return undefined
  try {
    return deviceRecord.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data
  } catch {
    return undefined
  }
}

export type RegistrySettings = {
  readonly kv: KV
  readonly jsm: JetStreamManager
  /** Name of the bucket. */
  readonly bucket: string
  readonly now?: () => Date
}

export class Registry {
  readonly #kv: KV
  readonly #jsm: JetStreamManager
  readonly #bucket: string
  readonly #now: () => Date

  constructor({ kv, jsm, bucket, now = () => new Date() }: RegistrySettings) {
    this.#kv = kv
    this.#jsm = jsm
    this.#bucket = bucket
    this.#now = now
  }

  /**
   * `mayFollow` is asked about the tombstone of an earlier device of this id, and throws where it is too early.
   * @throws DeviceExists when the id is taken in the namespace.
   */
  async create(device: NewDevice, mayFollow: (earlier: DeviceRecord) => unknown = () => undefined): Promise<Entry> {
    const at = this.#now().toISOString()
    const record = { version: '1.0', ...device, disabled: false, certificates: [], createdAt: at, updatedAt: at }
    const key = deviceKey(record.namespace, record.device)
    try {
      return { record, revision: await this.#kv.create(key, encode(record)) }
    } catch (error) {
      if (!isConflict(error)) throw error
    }
    const held = await this.read(record.namespace, record.device)
    if (held === undefined) throw new RevisionConflict(`device ${record.device} changed meanwhile`)
    if (isThere(held.record)) throw new DeviceExists(held.record)
    mayFollow(held.record)
    return this.#write({ ...record, certificates: allRevoked(held.record.certificates, at) }, held.revision)
  }

  /** Tombstones too: their `removedAt` is set. */
  async read(namespace: string, device: string): Promise<Entry | undefined> {
    const entry = await this.#kv.get(deviceKey(namespace, device))
    const record = entry?.operation === 'PUT' ? parseDevice(entry.value) : undefined
    return entry && record ? { record, revision: entry.revision } : undefined
  }

  /** A device that is there. */
  async get(namespace: string, device: string): Promise<Entry | undefined> {
    const entry = await this.read(namespace, device)
    return entry && isThere(entry.record) ? entry : undefined
  }

  /**
   * Changes a device by `change`, again when another writer came first; with `revision`, only that one. Undefined when the
   * device is not there.
   * @throws RevisionConflict when it has another revision, or changes without end.
   */
  async change(device: DeviceName, change: Change, revision?: number): Promise<Entry | undefined> {
    for (let attempt = 1; attempt < CHANGE_ATTEMPTS && revision === undefined; attempt++) {
      try {
        return await this.#changeOnce(device, change)
      } catch (error) {
        if (!(error instanceof RevisionConflict)) throw error
      }
    }
    return this.#changeOnce(device, change, revision)
  }

  /** Leaves a tombstone. Undefined when the device is not there (any more). */
  remove(device: DeviceName, revision?: number): Promise<Entry | undefined> {
    const removedAt = this.#now().toISOString()
    const bury = (record: DeviceRecord): DeviceRecord => ({
      ...record,
      type: '',
      labels: {},
      displayName: '',
      secret: NO_SECRET,
      certificates: allRevoked(record.certificates, removedAt),
      removedAt,
    })
    return this.change(device, bury, revision)
  }

  /** Devices that are there and match, in order of their last change. */
  async list({ namespace, match = () => true, limit, from = 1 }: ListQuery): Promise<Page> {
    const entries: Entry[] = []
    let next: number | undefined = from
    for (let page = 0; page < SCAN_PAGES && entries.length < limit && next !== undefined; page++) {
      const stored = await this.#stored(namespace, next)
      const matching = stored.map(entryOf).filter((entry) => entry !== undefined && match(entry.record)) as Entry[]
      const taken = matching.slice(0, limit - entries.length)
      entries.push(...taken)
      next = after(taken.length < matching.length ? taken.at(-1)?.revision : lastOfFull(stored))
    }
    return next === undefined ? { entries } : { entries, next }
  }

  /** Every device of a namespace, or of all, one page at a time. */
  async *all(query: Omit<ListQuery, 'limit' | 'from'> = {}): AsyncGenerator<Entry> {
    for (let from: number | undefined = 1; from !== undefined; ) {
      const page: Page = await this.list({ ...query, limit: PAGE, from })
      yield* page.entries
      from = page.next
    }
  }

  #stored(namespace = '*', from = 1): Promise<StoredMsg[]> {
    const subject = `$KV.${this.#bucket}.${namespace}.*`
    return readStored(this.#jsm, { stream: `KV_${this.#bucket}`, subject, from, limit: PAGE })
  }

  async #changeOnce({ namespace, device }: DeviceName, change: Change, revision?: number): Promise<Entry | undefined> {
    const held = await this.get(namespace, device)
    if (held === undefined) return undefined
    if (revision !== undefined && held.revision !== revision)
      throw new RevisionConflict(`device ${device} has revision ${held.revision}, not ${revision}`)
    return this.#write({ ...change(held.record), updatedAt: this.#now().toISOString() }, held.revision)
  }

  async #write(record: DeviceRecord, revision: number): Promise<Entry> {
    try {
      const key = deviceKey(record.namespace, record.device)
      return { record, revision: await this.#kv.update(key, encode(record), revision) }
    } catch (error) {
      if (isConflict(error)) throw new RevisionConflict(`device ${record.device} changed meanwhile`)
      throw error
    }
  }
}
