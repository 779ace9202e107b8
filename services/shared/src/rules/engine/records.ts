/** A few numbers per device, side by side in memory, by the device's index. Grows by doubling. */
export class Records {
  /** The numbers of device d begin at d × `width`. */
  cells: Float64Array = new Float64Array(0)
  readonly width: number
  readonly #blank: Float64Array

  /** `blank` is what a record holds at first. */
  constructor(blank: readonly number[]) {
    this.width = blank.length
    this.#blank = Float64Array.from(blank)
  }

  has(device: number): boolean {
    return device * this.width < this.cells.length
  }

  /** Where the device's record begins, made if it is not there. */
  at(device: number): number {
    const at = device * this.width
    if (at >= this.cells.length) this.#grow(device)
    return at
  }

  clear(device: number): void {
    if (this.has(device)) this.cells.set(this.#blank, device * this.width)
  }

  /** A view of the device's record. */
  record(device: number): Float64Array {
    const at = this.at(device)
    return this.cells.subarray(at, at + this.width)
  }

  #grow(device: number): void {
    const { width } = this
    const cells = new Float64Array(Math.max(64 * width, (device + 1) * width, this.cells.length * 2))
    for (let at = this.cells.length; at < cells.length; at += width) cells.set(this.#blank, at)
    cells.set(this.cells)
    this.cells = cells
  }
}

/** One of the numbers of each record. */
export class Field {
  readonly #records: Records
  readonly #place: number

  constructor(records: Records, place: number) {
    this.#records = records
    this.#place = place
  }

  get(device: number): number {
    const at = this.#records.at(device) + this.#place
    return this.#records.cells[at] as number
  }

  set(device: number, value: number): void {
    const at = this.#records.at(device) + this.#place
    this.#records.cells[at] = value
  }
}
