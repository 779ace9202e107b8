/** Places for the devices that are watched, so that the others take no room: device index → slot, dense, used again when free. */
export class Slots {
  #slots = new Int32Array(0)
  readonly #free: number[] = []
  #taken = 0

  /** The slot of a device; -1 when it has none. */
  of(device: number): number {
    return device < this.#slots.length ? (this.#slots[device] as number) - 1 : -1
  }

  take(device: number): number {
    if (device >= this.#slots.length) {
      const slots = new Int32Array(Math.max(64, device + 1, this.#slots.length * 2))
      slots.set(this.#slots)
      this.#slots = slots
    }
    const slot = this.#free.pop() ?? this.#taken++
    this.#slots[device] = slot + 1
    return slot
  }

  free(device: number): void {
    const slot = this.of(device)
    if (slot < 0) return
    this.#slots[device] = 0
    this.#free.push(slot)
  }

  get bytes(): number {
    return this.#slots.byteLength + this.#free.length * 8
  }
}
