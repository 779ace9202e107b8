/**
 * Distinct users over any time that reaches up to now: a sliding HyperLogLog (Chabchoub, Hébrail, "Sliding HyperLogLog:
 * estimating cardinality in a data stream over a sliding window", ICDMW 2010).
 *
 * Each register keeps its list of possible maxima: the times and ranks such that no rank at least as great came later. A list goes
 * from the newest entry with the least rank to the oldest with the greatest, so the register's value since some time is the rank of
 * the last entry that is not older. Nothing is ever dropped for its age: a list has at most 50 entries, as many as there are ranks,
 * and about ln(users / 2¹⁵) + 1 of them in practice. So one sketch answers for every window and for all time.
 *
 * Memory: 9 bytes an entry, some 1.5 MB at a million users; while few registers are in use, what they take alone.
 */
import { Digest, viewOf } from '../../rows/digest.ts'
import type { ByteReader, ByteWriter } from './bytes.ts'
import { REGISTERS, rankOf, registerOf } from './registers.ts'

const NONE = -1
const FIRST_ENTRIES = 64
/** Registers in use from which on all have a head. */
const SPARSE_UP_TO = REGISTERS / 16

const scratch = Buffer.alloc(1024)
const scratchView = viewOf(scratch)

export class ActiveUsers {
  readonly #digest = new Digest()
  /** Entry at the head of each register's list. */
  #heads: Map<number, number> | Int32Array = new Map()
  #seconds = new Uint32Array(FIRST_ENTRIES)
  #ranks = new Uint8Array(FIRST_ENTRIES)
  #next = new Int32Array(FIRST_ENTRIES)
  /** Entries ever used, and the first of those that are free again. */
  #used = 0
  #free = NONE

  /** A user was active in this second since the epoch. Of a name longer than 1,024 bytes the beginning counts. */
  add(user: string, second: number): void {
    const size = scratch.write(user)
    this.#digest.topic(scratchView, 0, 0)
    this.#digest.payload(scratchView, 0, size)
    const { high, low } = this.#digest
    this.#insert(registerOf(low), rankOf(high, low), second)
  }

  /** Registers of a plain HyperLogLog over the users active in this second or later. */
  since(second: number): Uint8Array {
    const registers = new Uint8Array(REGISTERS)
    for (const [register, head] of this.#lists()) registers[register] = this.#rankSince(head, second)
    return registers
  }

  #rankSince(head: number, second: number): number {
    let rank = 0
    for (let at = head; at !== NONE && (this.#seconds[at] as number) >= second; at = this.#next[at] as number)
      rank = this.#ranks[at] as number
    return rank
  }

  #insert(register: number, rank: number, second: number): void {
    const [seconds, ranks, next] = [this.#seconds, this.#ranks, this.#next]
    let before = NONE
    let at = this.#head(register)
    while (at !== NONE && (seconds[at] as number) > second) {
      if ((ranks[at] as number) >= rank) return
      before = at
      at = next[at] as number
    }
    if (at !== NONE && seconds[at] === second && (ranks[at] as number) >= rank) return
    this.#link(register, before, this.#entry(rank, second, this.#dropUpTo(at, rank)))
  }

  /** Drops the entries from `at` on that a rank of this second makes useless; the first that stays. */
  #dropUpTo(at: number, rank: number): number {
    let kept = at
    while (kept !== NONE && (this.#ranks[kept] as number) <= rank) {
      const gone = kept
      kept = this.#next[gone] as number
      this.#next[gone] = this.#free
      this.#free = gone
    }
    return kept
  }

  #entry(rank: number, second: number, behind: number): number {
    const entry = this.#take()
    this.#ranks[entry] = rank
    this.#seconds[entry] = second
    this.#next[entry] = behind
    return entry
  }

  #take(): number {
    const { length } = this.#next
    if (this.#free !== NONE) {
      const entry = this.#free
      this.#free = this.#next[entry] as number
      return entry
    }
    if (this.#used === length) this.#grow(length * 2)
    return this.#used++
  }

  #grow(length: number): void {
    const [seconds, ranks, next] = [this.#seconds, this.#ranks, this.#next]
    this.#seconds = new Uint32Array(length)
    this.#seconds.set(seconds)
    this.#ranks = new Uint8Array(length)
    this.#ranks.set(ranks)
    this.#next = new Int32Array(length)
    this.#next.set(next)
  }

  #head(register: number): number {
    const heads = this.#heads
    return (heads instanceof Map ? heads.get(register) : heads[register]) ?? NONE
  }

  #link(register: number, before: number, entry: number): void {
    if (before !== NONE) this.#next[before] = entry
    else if (this.#heads instanceof Map) this.#setSparse(this.#heads, register, entry)
    else this.#heads[register] = entry
  }

  #setSparse(heads: Map<number, number>, register: number, entry: number): void {
    heads.set(register, entry)
    if (heads.size <= SPARSE_UP_TO) return
    this.#heads = new Int32Array(REGISTERS).fill(NONE)
    for (const [place, head] of heads) this.#heads[place] = head
  }

  *#lists(): Generator<readonly [register: number, head: number]> {
    for (const list of this.#heads.entries()) if (list[1] !== NONE) yield list
  }

  write(out: ByteWriter): void {
    for (const [register, head] of this.#lists()) {
      for (let at = head; at !== NONE; at = this.#next[at] as number) {
        out.u8(this.#ranks[at] as number)
        out.u16(register)
        out.u32(this.#seconds[at] as number)
      }
    }
    out.u8(0)
  }

  static read(from: ByteReader): ActiveUsers {
    const users = new ActiveUsers()
    for (let rank = from.u8(); rank !== 0; rank = from.u8()) users.#insert(from.u16(), rank, from.u32())
    return users
  }
}
