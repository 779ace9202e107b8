/**
 * The keys of the rows read last, by which a row that comes again in another batch is told. At least the last `KEYS_KEPT` are
 * known, at most twice as many: keys go into one generation until it is full, which then replaces the one before. A repeat comes
 * at most one in-flight window of ingest later (65,535 messages as its largest), so none slips through.
 *
 * A key is 64 bits: the row's digest, a hash already, mixed with its time. Two different rows of the last 131,072 share one
 * with a probability below 10⁻⁹.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

export const KEYS_KEPT = 65_536

const FIRST_SLOTS = 1_024

/** A hash set with linear probing, at most half full. The key 0 stands for an empty slot; it is taken for the key 1. */
class Generation {
  size = 0
  #keys = new Uint32Array(FIRST_SLOTS * 2)

  has(high: number, low: number): boolean {
    const slot = this.#find(high, low)
    return this.#keys[slot] !== 0 || this.#keys[slot + 1] !== 0
  }

  add(high: number, low: number): void {
    if (this.size * 4 >= this.#keys.length) this.#grow()
    const slot = this.#find(high, low)
    this.#keys[slot] = high
    this.#keys[slot + 1] = low
    this.size++
  }

  /** Index of the key, or of the empty slot where it belongs. */
  #find(high: number, low: number): number {
    const keys = this.#keys
    const mask = keys.length - 2
    let slot = (low << 1) & mask
    while ((keys[slot] !== high || keys[slot + 1] !== low) && (keys[slot] !== 0 || keys[slot + 1] !== 0))
      slot = (slot + 2) & mask
    return slot
  }

  #grow(): void {
    const old = this.#keys
    this.#keys = new Uint32Array(old.length * 2)
    this.size = 0
    for (let i = 0; i < old.length; i += 2) this.#readd(old[i] as number, old[i + 1] as number)
  }

  #readd(high: number, low: number): void {
    if (high !== 0 || low !== 0) this.add(high, low)
  }

  write(out: ByteWriter): void {
    out.u32(this.size)
    for (let i = 0; i < this.#keys.length; i += 2) {
      const [high, low] = [this.#keys[i] as number, this.#keys[i + 1] as number]
      if (high === 0 && low === 0) continue
      out.u32(high)
      out.u32(low)
    }
  }

  static read(from: ByteReader): Generation {
    const generation = new Generation()
    for (let left = from.u32(); left > 0; left--) generation.add(from.u32(), from.u32())
    return generation
  }
}

export type RowKey = { readonly digestHigh: number; readonly digestLow: number; readonly micros: number }

export class RecentKeys {
  #current = new Generation()
  #previous = new Generation()

  /** Remembers the key of a row; false when it is known, so that the row is a repeat. */
  add({ digestHigh, digestLow, micros }: RowKey): boolean {
    const high = (digestHigh ^ Math.imul(micros / 0x100000000, 0x85ebca6b)) >>> 0
    const mixed = (digestLow ^ Math.imul(micros % 0x100000000, 0x9e3779b1)) >>> 0
    const low = high === 0 && mixed === 0 ? 1 : mixed
    if (this.#current.has(high, low) || this.#previous.has(high, low)) return false
    if (this.#current.size >= KEYS_KEPT) {
      this.#previous = this.#current
      this.#current = new Generation()
    }
    this.#current.add(high, low)
    return true
  }

  write(out: ByteWriter): void {
    this.#previous.write(out)
    this.#current.write(out)
  }

  static read(from: ByteReader): RecentKeys {
    const keys = new RecentKeys()
    keys.#previous = Generation.read(from)
    keys.#current = Generation.read(from)
    return keys
  }
}
