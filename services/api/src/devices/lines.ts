/** NDJSON as it arrives: bytes in, lines out, with memory bounded by the longest line allowed. */

export const MAX_LINE_BYTES = 16 * 1024

/** A line without its end, numbered from 1; `tooLong` lines are passed over to their end. */
export type Line =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly tooLong: true }

const NEWLINE = 0x0a

/** Yields the lines that each chunk completes, together; empty lines are counted and left out. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line[]> {
  const splitter = new Splitter()
  for await (const chunk of chunks) {
    const lines = splitter.push(chunk)
    if (lines.length > 0) yield lines
  }
  const last = splitter.end()
  if (last.length > 0) yield last
}

class Splitter {
  #parts: Uint8Array[] = []
  #size = 0
  #number = 0

  push(chunk: Uint8Array): Line[] {
    const lines: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end))
      lines.push(...this.end())
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
    return lines
  }

  end(): Line[] {
    const number = ++this.#number
    const size = this.#size
    const text = Buffer.concat(this.#parts).toString().trim()
    this.#parts = []
    this.#size = 0
    if (size > MAX_LINE_BYTES) return [{ number, tooLong: true }]
    return text === '' ? [] : [{ number, text }]
  }

  #keep(bytes: Uint8Array): void {
    this.#size += bytes.length
    if (this.#size <= MAX_LINE_BYTES && bytes.length > 0) this.#parts.push(bytes)
    else if (this.#size > MAX_LINE_BYTES) this.#parts = []
  }
}
