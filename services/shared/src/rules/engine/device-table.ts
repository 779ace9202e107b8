/**
 * Devices by the bytes of their id, without making a string: open addressing on the hash of the shard function. An index stays a
 * device's until it is removed; then it is used again. The ids stand once more as bytes, one behind the other, each behind its length
 * (at most 128) in as much room as the longest needs, so that a look at one is a look at one line of memory.
 */
import { hash32 } from '../../pipeline/shard.ts'

const ROOM = 16
const NONE = 0
const REMOVED = -1

export class DeviceTable {
  /** Index + 1, or NONE, or REMOVED. A power of two long, at most half full. */
  #places = new Int32Array(256)
  #used = 0
  #bytes = new Uint8Array(0)
  #room = ROOM
  readonly #ids: (string | undefined)[] = []
  readonly #free: number[] = []

  /** Number of devices. */
  get size(): number {
    return this.#ids.length - this.#free.length
  }

  /** One more than the largest index in use so far. */
  get end(): number {
    return this.#ids.length
  }

  /** The id of a device; undefined where there is none. */
  id(device: number): string | undefined {
    return this.#ids[device]
  }

  /** The device whose id is `bytes[start, end)`; -1 when there is none. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const mask = this.#places.length - 1
    for (let place = hash32(bytes, start, end) & mask; ; place = (place + 1) & mask) {
      const entry = this.#places[place] as number
      if (entry === NONE) return -1
      if (entry !== REMOVED && this.#is(entry - 1, bytes, start, end)) return entry - 1
    }
  }

  findId(id: string): number {
    const bytes = Buffer.from(id, 'latin1')
    return this.find(bytes, 0, bytes.length)
  }

  /** Adds a device that is not there yet; its index. */
  add(id: string): number {
    if (this.#used * 2 >= this.#places.length) this.#rebuild()
    const device = this.#free.pop() ?? this.#ids.length
    this.#ids[device] = id
    this.#write(device, id)
    this.#enter(device, id)
    return device
  }

  remove(device: number): void {
    const place = this.#places.indexOf(device + 1)
    if (place < 0) return
    this.#places[place] = REMOVED
    this.#ids[device] = undefined
    this.#free.push(device)
  }

  /** All devices, by index. */
  *all(): Generator<number> {
    for (let device = 0; device < this.#ids.length; device++) if (this.#ids[device] !== undefined) yield device
  }

  #is(device: number, bytes: Uint8Array, start: number, end: number): boolean {
    const known = this.#bytes
    const at = device * this.#room
    if (known[at] !== end - start) return false
    for (let i = start; i < end; i++) if (known[at + 1 + i - start] !== bytes[i]) return false
    return true
  }

  /** Writes the bytes of an id; all of them where they need more room. */
  #write(device: number, id: string): void {
    const room = Math.max(this.#room, Math.ceil((id.length + 1) / ROOM) * ROOM)
    if (room === this.#room && (device + 1) * room <= this.#bytes.length) {
      this.#bytes[device * room] = id.length
      Buffer.from(this.#bytes.buffer).write(id, device * room + 1, 'latin1')
      return
    }
    this.#room = room
    this.#bytes = new Uint8Array(Math.max(64, device + 1, 2 * this.#ids.length) * room)
    for (const one of this.all()) this.#write(one, this.#ids[one] as string)
  }

  #enter(device: number, id: string): void {
    const bytes = Buffer.from(id, 'latin1')
    const mask = this.#places.length - 1
    let place = hash32(bytes, 0, bytes.length) & mask
    while (this.#places[place] !== NONE) place = (place + 1) & mask
    this.#places[place] = device + 1
    this.#used++
  }

  #rebuild(): void {
    this.#places = new Int32Array(Math.max(256, 2 ** Math.ceil(Math.log2(this.size + 1)) * 4))
    this.#used = 0
    for (const device of this.all()) this.#enter(device, this.#ids[device] as string)
  }
}
