/**
 * What each reading must know of every rule that watches its device, side by side in memory: a row per device, and in it two numbers per
 * rule, by the rule's seat:
 *
 *     due (when time alone changes something; infinite for never, and where the rule does not watch) · state
 */
const SEAT = 2
const NEVER = Number.POSITIVE_INFINITY

export class Board {
  #cells = new Float64Array(0)
  /** Numbers per row. */
  #width = 0
  #taken = 0
  readonly #free: number[] = []

  /** A seat for a rule; its numbers are blank. Rows grow by an eighth, so that they stay short. */
  takeSeat(): number {
    const seat = this.#free.pop() ?? this.#taken++
    if (seat * SEAT >= this.#width) this.#resize((seat + 1 + (seat >> 3)) * SEAT, this.#rows)
    return seat
  }

  leaveSeat(seat: number): void {
    for (let device = 0; device < this.#rows; device++) this.clear(device, seat)
    this.#free.push(seat)
  }

  due(device: number, seat: number): number {
    const at = device * this.#width + seat * SEAT
    return at < this.#cells.length ? (this.#cells[at] as number) : NEVER
  }

  setDue(device: number, seat: number, due: number): void {
    this.#cells[device * this.#width + seat * SEAT] = due
  }

  state(device: number, seat: number): number {
    const at = device * this.#width + seat * SEAT
    return at < this.#cells.length ? (this.#cells[at + 1] as number) : 0
  }

  setState(device: number, seat: number, state: number): void {
    if (device >= this.#rows) this.#resize(this.#width, Math.max(64, device + 1, this.#rows * 2))
    this.#cells[device * this.#width + seat * SEAT + 1] = state
  }

  /** The least due of all rules. */
  earliest(device: number): number {
    const cells = this.#cells
    const end = Math.min((device + 1) * this.#width, cells.length)
    let least = NEVER
    for (let at = device * this.#width; at < end; at += SEAT)
      if ((cells[at] as number) < least) least = cells[at] as number
    return least
  }

  clear(device: number, seat: number): void {
    if (device >= this.#rows) return
    this.setDue(device, seat, NEVER)
    this.setState(device, seat, 0)
  }

  get bytes(): number {
    return this.#cells.byteLength
  }

  get #rows(): number {
    return this.#width === 0 ? 0 : this.#cells.length / this.#width
  }

  #resize(width: number, rows: number): void {
    const cells = new Float64Array(width * rows)
    for (let at = 0; at < cells.length; at += SEAT) cells[at] = NEVER
    for (let row = 0; row < this.#rows; row++)
      cells.set(this.#cells.subarray(row * this.#width, (row + 1) * this.#width), row * width)
    this.#cells = cells
    this.#width = width
  }
}
