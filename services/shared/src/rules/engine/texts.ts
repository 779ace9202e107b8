/** The string of some bytes, without making it anew when the same text was seen lately. Bounded: one text per hash. */
import { hash32 } from '../../pipeline/shard.ts'

const PLACES = 4096
const BACKSLASH = 0x5c

export class Texts {
  readonly #bytes: (Uint8Array | undefined)[] = new Array(PLACES).fill(undefined)
  readonly #texts: string[] = new Array(PLACES).fill('')

  /** The text of `bytes[start, end)`; a backslash there stands before a byte that is meant as it is. */
  text(bytes: Uint8Array, start: number, end: number): string {
    const place = hash32(bytes, start, end) & (PLACES - 1)
    const known = this.#bytes[place]
    if (known && isEqual(known, bytes, start, end)) return this.#texts[place] as string
    const copy = bytes.slice(start, end)
    const text = plainText(copy)
    this.#bytes[place] = copy
    this.#texts[place] = text
    return text
  }
}

const isEqual = (known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean => {
  if (known.length !== end - start) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false
  return true
}

const plainText = (bytes: Uint8Array): string => {
  const plain: number[] = []
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === BACKSLASH && i + 1 < bytes.length) i++
    plain.push(bytes[i] as number)
  }
  return Buffer.from(plain).toString('utf8')
}
