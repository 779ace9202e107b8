/**
 * The digest of a row: a signed 64-bit integer made of the message's topic, its payload bytes and the row's index in it. Equal
 * input gives the equal digest in every version, so a redelivered message lands on its own row.
 *
 * MurmurHash3_x86_128 (Austin Appleby, public domain) with 32-bit arithmetic only: the state is seeded with the row index,
 * runs over the topic, is finalised with the topic's length, then runs on over the payload and is finalised again; the
 * digest is the first 64 bits. The one value that QuestDB reads as null, -2⁶³, is replaced by 1 - 2⁶³.
 */

const C1 = 0x239b961b
const C2 = 0xab0e9789 | 0
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93 | 0

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by))

const finish = (x: number): number => {
  let h = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

const mix1 = (k: number): number => Math.imul(rotate(Math.imul(k, C1), 15), C2)
const mix2 = (k: number): number => Math.imul(rotate(Math.imul(k, C2), 16), C3)
const mix3 = (k: number): number => Math.imul(rotate(Math.imul(k, C3), 17), C4)
const mix4 = (k: number): number => Math.imul(rotate(Math.imul(k, C4), 18), C1)

/** Up to four bytes from `at`, little endian, none at or behind `end`. */
const word = (view: DataView, at: number, end: number): number => {
  if (at + 4 <= end) return view.getInt32(at, true)
  let k = 0
  for (let i = Math.min(at + 4, end) - 1; i >= at; i--) k = (k << 8) | view.getUint8(i)
  return k
}

export class Digest {
  #h1 = 0
  #h2 = 0
  #h3 = 0
  #h4 = 0

  /** Upper half of the last digest, signed. */
  get high(): number {
    return this.#h2
  }

  /** Lower half of the last digest, any 32 bits. */
  get low(): number {
    return this.#h1
  }

  /** The last digest, as a signed 64-bit integer. */
  get value(): bigint {
    return (BigInt(this.#h2) << 32n) | BigInt(this.#h1 >>> 0)
  }

  /** Starts the digest of a row of the message whose topic is `view[start, end)`. */
  topic(view: DataView, start: number, end: number, rowIndex = 0): void {
    this.#h1 = rowIndex
    this.#h2 = rowIndex
    this.#h3 = rowIndex
    this.#h4 = rowIndex
    this.#absorb(view, start, end)
  }

  /** Completes it with the payload `view[start, end)`. */
  payload(view: DataView, start: number, end: number): void {
    this.#absorb(view, start, end)
    if (this.#h2 === -0x80000000 && this.#h1 === 0) this.#h1 = 1
  }

  #absorb(view: DataView, start: number, end: number): void {
    let h1 = this.#h1
    let h2 = this.#h2
    let h3 = this.#h3
    let h4 = this.#h4
    let at = start
    for (; at + 16 <= end; at += 16) {
      h1 = rotate(h1 ^ mix1(view.getInt32(at, true)), 19) + h2
      h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0
      h2 = rotate(h2 ^ mix2(view.getInt32(at + 4, true)), 17) + h3
      h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0
      h3 = rotate(h3 ^ mix3(view.getInt32(at + 8, true)), 15) + h4
      h3 = (Math.imul(h3, 5) + 0x96cd1c35) | 0
      h4 = rotate(h4 ^ mix4(view.getInt32(at + 12, true)), 13) + h1
      h4 = (Math.imul(h4, 5) + 0x32ac3b17) | 0
    }
    this.#h1 = h1 ^ mix1(word(view, at, end))
    this.#h2 = h2 ^ mix2(word(view, at + 4, end))
    this.#h3 = h3 ^ mix3(word(view, at + 8, end))
    this.#h4 = h4 ^ mix4(word(view, at + 12, end))
    this.#finalise(end - start)
  }

  #finalise(length: number): void {
    let h1 = this.#h1 ^ length
    let h2 = this.#h2 ^ length
    let h3 = this.#h3 ^ length
    let h4 = this.#h4 ^ length
    h1 = (h1 + h2 + h3 + h4) | 0
    h2 = finish((h2 + h1) | 0)
    h3 = finish((h3 + h1) | 0)
    h4 = finish((h4 + h1) | 0)
    h1 = finish(h1)
    h1 = (h1 + h2 + h3 + h4) | 0
    this.#h1 = h1
    this.#h2 = (h2 + h1) | 0
    this.#h3 = (h3 + h1) | 0
    this.#h4 = (h4 + h1) | 0
  }
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** The digest of one row of a message, as QuestDB holds it. */
export const digestOf = (topic: Uint8Array, payload: Uint8Array, rowIndex = 0): bigint => {
  const digest = new Digest()
  digest.topic(viewOf(topic), 0, topic.length, rowIndex)
  digest.payload(viewOf(payload), 0, payload.length)
  return digest.value
}
