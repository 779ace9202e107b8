/** A number per device, by the device's index; `blank` where none was set. Grows by doubling. */
export class Column {
  cells: Float64Array = new Float64Array(0)
  readonly #blank: number

  constructor(blank = 0) {
    this.#blank = blank
  }

  get(device: number): number {
    return device < this.cells.length ? (this.cells[device] as number) : this.#blank
  }

  set(device: number, value: number): void {
    if (device >= this.cells.length) this.#grow(device)
    this.cells[device] = value
  }

  clear(device: number): void {
    if (device < this.cells.length) this.cells[device] = this.#blank
  }

  #grow(device: number): void {
    const cells = new Float64Array(Math.max(64, device + 1, this.cells.length * 2)).fill(this.#blank)
    cells.set(this.cells)
    this.cells = cells
  }
}
