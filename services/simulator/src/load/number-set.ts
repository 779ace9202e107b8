/** A set of whole numbers from 0 up, one bit each: what a load run knows of every message it numbered. */
export class NumberSet {
  #bits: Uint8Array
  #size = 0

  constructor(expected = 1 << 16) {
    this.#bits = new Uint8Array(Math.max(1, (expected + 7) >> 3))
  }

  get size(): number {
    return this.#size
  }

  /** False when it was there already. */
  add(value: number): boolean {
    const index = Math.floor(value / 8)
    if (index >= this.#bits.length) this.#grow(index + 1)
    const mask = 1 << (value % 8)
    if (((this.#bits[index] as number) & mask) !== 0) return false
    this.#bits[index] = (this.#bits[index] as number) | mask
    this.#size++
    return true
  }

  has(value: number): boolean {
    return ((this.#bits[Math.floor(value / 8)] ?? 0) & (1 << (value % 8))) !== 0
  }

  /** Ascending. */
  *values(): Generator<number> {
    for (let index = 0; index < this.#bits.length; index++) {
      if (this.#bits[index] === 0) continue
      for (let bit = 0; bit < 8; bit++) if (((this.#bits[index] as number) & (1 << bit)) !== 0) yield index * 8 + bit
    }
  }

  /** Ascending inclusive ranges `[first, last]`. */
  ranges(): [number, number][] {
    const ranges: [number, number][] = []
    for (const value of this.values()) {
      const open = ranges.at(-1)
      if (open && open[1] === value - 1) open[1] = value
      else ranges.push([value, value])
    }
    return ranges
  }

  #grow(bytes: number): void {
    const bits = new Uint8Array(Math.max(bytes, this.#bits.length * 2))
    bits.set(this.#bits)
    this.#bits = bits
  }
}
