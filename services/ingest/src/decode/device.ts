/**
 * The device level of a topic: one pass over its bytes checks the id and hashes it, so an id costs no string. The first hash
 * is `hash32` of the shared code (the shard follows from it), the second an independent one; together they tell devices
 * apart in the rate sketch.
 */

const FIRST = 1
const LATER = 2

/** What a byte may be in a device id: `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`. */
const CLASSES = new Uint8Array(256)
for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789')
  CLASSES[c.charCodeAt(0)] = FIRST | LATER
for (const c of '._-') CLASSES[c.charCodeAt(0)] = LATER

const MAX_LENGTH = 128

export class DeviceHash {
  /** FNV-1a finished as in `hash32`, unsigned. */
  hash = 0
  /** A second hash, any 32 bits. */
  mark = 0

  /** Hashes `bytes[start, end)`; false when it is no device id. */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start
    if (length < 1 || length > MAX_LENGTH || ((CLASSES[bytes[start] as number] as number) & FIRST) === 0) return false
    let allowed = LATER
    let h = 0x811c9dc5 | 0
    let m = length
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number
      allowed &= CLASSES[byte] as number
      h = Math.imul(h ^ byte, 0x01000193)
      m = Math.imul(m ^ (m >>> 15) ^ byte, 0x2c1b3c6d)
    }
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
    this.hash = (h ^ (h >>> 16)) >>> 0
    this.mark = m
    return allowed === LATER
  }
}
