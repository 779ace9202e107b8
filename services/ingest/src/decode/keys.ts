/**
 * Finds the slot of a JSON key from its bytes. Messages of a fleet mostly carry the same keys in the same order, so the
 * key that followed the last time is compared first; only on a miss is the key hashed.
 */
import { hash32 } from '@fleetloom/shared/pipeline/shard'
import { bytesOf, QUOTE } from './ascii.ts'

const NONE = new Uint8Array(0)
const NO_SLOTS: readonly number[] = []

export class KeyTable {
  readonly #names: Uint8Array[]
  readonly #byHash = new Map<number, number[]>()
  /** Slot that was found after slot `i` the last time; the last entry is for the first key of an object. */
  #after: Int32Array

  /** Slot `i` is for `names[i]`; undefined leaves the slot without a key. */
  constructor(names: readonly (string | undefined)[]) {
    this.#names = names.map((name) => (name === undefined ? NONE : bytesOf(name)))
    this.#after = new Int32Array(names.length + 1)
    names.forEach((name, slot) => void (name !== undefined && this.#enter(slot)))
  }

  /** Adds a key in a new slot, the next one. */
  add(name: string): void {
    this.#enter(this.#names.push(bytesOf(name)) - 1)
    this.#after = new Int32Array(this.#names.length + 1)
  }

  #enter(slot: number): void {
    const name = this.#names[slot] as Uint8Array
    const hash = hash32(name, 0, name.length) | 0
    this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), slot])
  }

  /** What to pass as `previous` for the first key of an object. */
  get start(): number {
    return this.#names.length
  }

  length(slot: number): number {
    return (this.#names[slot] as Uint8Array).length
  }

  /**
   * Slot of the key that begins at `at` and ends before a quote; -1 when it is unknown. `previous` is the slot of the key
   * before it. The bytes must hold a quote or a control character somewhere behind `at`.
   */
  find(bytes: Uint8Array, at: number, previous: number): number {
    const guess = this.#after[previous] as number
    if (this.#matches(bytes, at, guess)) return guess
    const slot = this.#lookup(bytes, at)
    if (slot >= 0) this.#after[previous] = slot
    return slot
  }

  /** Slot of the key that is exactly `bytes[start, end)`; -1 when it is unknown. */
  exact(bytes: Uint8Array, start: number, end: number): number {
    for (const slot of this.#byHash.get(hash32(bytes, start, end) | 0) ?? NO_SLOTS) {
      if (this.length(slot) === end - start && this.#begins(bytes, start, slot)) return slot
    }
    return -1
  }

  #begins(bytes: Uint8Array, at: number, slot: number): boolean {
    const name = this.#names[slot] as Uint8Array
    for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false
    return true
  }

  #matches(bytes: Uint8Array, at: number, slot: number): boolean {
    const name = this.#names[slot]
    if (name === undefined || name.length === 0) return false
    return bytes[at + name.length] === QUOTE && this.#begins(bytes, at, slot)
  }

  #lookup(bytes: Uint8Array, at: number): number {
    let end = at
    while ((bytes[end] as number) >= 0x20 && bytes[end] !== QUOTE) end++
    return bytes[end] === QUOTE ? this.exact(bytes, at, end) : -1
  }
}
