/**
 * Counts of all time by type of event, and the number that stands for each type. `MOST_TYPES` have a number of their own; beyond
 * that a new type takes the number of the rarest one that is in no window any more, else it counts as `other`, number 0.
 */
import type { ByteReader, ByteWriter } from './bytes.ts'

export const MOST_TYPES = 256
export const OTHER = 0

export class EventTypes {
  readonly #names: string[] = ['']
  readonly #totals: number[] = [0]
  readonly #numbers = new Map<string, number>()

  /** Numbers in use are below it. */
  get size(): number {
    return this.#names.length
  }

  name(type: number): string {
    return this.#names[type] as string
  }

  total(type: number): number {
    return this.#totals[type] as number
  }

  /** Counts an event; the number of its type. `isIdle` says whether a type is in no window. */
  add(name: string, isIdle: (type: number) => boolean): number {
    const type = this.#numbers.get(name) ?? this.#number(name, isIdle)
    this.#totals[type] = this.total(type) + 1
    return type
  }

  #number(name: string, isIdle: (type: number) => boolean): number {
    const type = this.size <= MOST_TYPES ? this.size : this.#rarestIdle(isIdle)
    if (type === OTHER) return OTHER
    if (type < this.size) this.#forget(type)
    this.#names[type] = name
    this.#totals[type] = 0
    this.#numbers.set(name, type)
    return type
  }

  #rarestIdle(isIdle: (type: number) => boolean): number {
    let rarest = OTHER
    for (let type = OTHER + 1; type < this.size; type++)
      if (isIdle(type) && (rarest === OTHER || this.total(type) < this.total(rarest))) rarest = type
    return rarest
  }

  #forget(type: number): void {
    this.#numbers.delete(this.name(type))
    this.#totals[OTHER] = this.total(OTHER) + this.total(type)
  }

  write(out: ByteWriter): void {
    out.u16(this.size)
    for (let type = 0; type < this.size; type++) {
      out.text(this.name(type))
      out.f64(this.total(type))
    }
  }

  static read(from: ByteReader): EventTypes {
    const types = new EventTypes()
    for (let type = 0, size = from.u16(); type < size; type++) {
      const name = from.text()
      types.#names[type] = name
      types.#totals[type] = from.f64()
      if (type !== OTHER) types.#numbers.set(name, type)
    }
    return types
  }
}
