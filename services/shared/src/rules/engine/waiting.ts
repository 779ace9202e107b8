/**
 * Rows that wait until no earlier one can come: for each device, in the order of (time, digest), at most MOST_WAITING. Used only by
 * fleets that allow readings to be late.
 */
export const MOST_WAITING = 256

/** A row to be used; `columns`, `numbers` and `texts` go together, `count` long. */
export type Row = {
  readonly micros: number
  readonly high: number
  readonly low: number
  readonly count: number
  readonly columns: ArrayLike<number>
  readonly numbers: ArrayLike<number>
  readonly texts: ArrayLike<string>
}

const copyOf = ({ micros, high, low, count, columns, numbers, texts }: Row): Row => ({
  ...{ micros, high, low, count },
  columns: Array.from(columns).slice(0, count),
  numbers: Array.from(numbers).slice(0, count),
  texts: Array.from(texts).slice(0, count),
})

const compare = (a: Row, b: Row): number => a.micros - b.micros || a.high - b.high || a.low - b.low

export class Waiting {
  readonly #rows = new Map<number, Row[]>()

  /** Lets a copy of the row wait; false when it waits already. */
  put(device: number, row: Row): boolean {
    const rows = this.#rows.get(device) ?? []
    let place = rows.length
    while (place > 0 && compare(rows[place - 1] as Row, row) > 0) place--
    if (place > 0 && compare(rows[place - 1] as Row, row) === 0) return false
    rows.splice(place, 0, copyOf(row))
    this.#rows.set(device, rows)
    return true
  }

  isFull(device: number): boolean {
    return (this.#rows.get(device)?.length ?? 0) > MOST_WAITING
  }

  /** Time of the oldest row; infinite when none waits. */
  oldest(device: number): number {
    return this.#rows.size === 0
      ? Number.POSITIVE_INFINITY
      : (this.#rows.get(device)?.[0]?.micros ?? Number.POSITIVE_INFINITY)
  }

  /** Takes the oldest row out. */
  shift(device: number): Row | undefined {
    const rows = this.#rows.get(device)
    const row = rows?.shift()
    if (rows?.length === 0) this.#rows.delete(device)
    return row
  }

  forget(device: number): void {
    this.#rows.delete(device)
  }

  rows(device: number): readonly Row[] {
    return this.#rows.get(device) ?? []
  }
}
