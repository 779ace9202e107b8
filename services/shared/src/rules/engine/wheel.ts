/**
 * When devices are to be looked at without a row: one time per device, on the count of milliseconds of marks, in slots of a second. A
 * time that moved leaves its old entry behind, which is passed over when its second comes.
 */
import { Column } from './column.ts'

const NEVER = Number.POSITIVE_INFINITY

export class Wheel {
  readonly #due = new Column(NEVER)
  readonly #seconds = new Map<number, number[]>()
  #reached = 0

  /** Looks at the device at `elapsed` or before. */
  lower(device: number, elapsed: number): void {
    if (elapsed < this.#due.get(device)) this.set(device, elapsed)
  }

  /** Looks at the device at `elapsed`, which may be infinite. */
  set(device: number, elapsed: number): void {
    this.#due.set(device, elapsed)
    if (elapsed === NEVER) return
    const second = Math.max(this.#reached, Math.floor(elapsed / 1000))
    const devices = this.#seconds.get(second)
    if (devices) devices.push(device)
    else this.#seconds.set(second, [device])
  }

  /** The devices that are due, in the order of their index; none of them is in the wheel any more. */
  take(elapsed: number): number[] {
    const last = Math.floor(elapsed / 1000)
    const due: number[] = []
    for (const second of this.#between(this.#reached, last)) {
      const devices = this.#seconds.get(second) as number[]
      this.#seconds.delete(second)
      for (const device of devices) if (this.#isDue(device, elapsed)) due.push(device)
      const later = devices.filter((device) => Math.floor(this.#due.get(device) / 1000) === second)
      if (later.length > 0) this.#seconds.set(second, [...new Set(later)])
    }
    this.#reached = last
    return due.sort((a, b) => a - b)
  }

  #isDue(device: number, elapsed: number): boolean {
    if (this.#due.get(device) > elapsed) return false
    this.#due.set(device, NEVER)
    return true
  }

  #between(from: number, to: number): number[] {
    const known = (second: number): boolean => this.#seconds.has(second)
    if (to - from < this.#seconds.size) return Array.from({ length: to - from + 1 }, (_, i) => from + i).filter(known)
    return [...this.#seconds.keys()].filter((second) => second <= to).sort((a, b) => a - b)
  }
}
