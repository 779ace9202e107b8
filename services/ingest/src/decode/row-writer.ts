import { NEWLINE, SPACE, writeInt64, writeText, writeWhole, ZERO } from './ascii.ts'

/** Writes a row of line protocol into a buffer. The caller has made sure that it fits. */
export class RowWriter {
  out: Uint8Array = new Uint8Array(0)
  at = 0

  byte(byte: number): void {
    this.out[this.at++] = byte
  }

  /** Copies `source[start, end)`. For the short runs of a row a loop beats `set`. */
  copy(source: Uint8Array, start: number, end: number): void {
    const { out } = this
    let at = this.at
    for (let from = start; from < end; from++) out[at++] = source[from] as number
    this.at = at
  }

  all(source: Uint8Array): void {
    this.copy(source, 0, source.length)
  }

  /** Copies `source[start, end)` with a backslash before every byte that `escaped` marks. */
  escape(source: Uint8Array, range: { readonly start: number; readonly end: number }, escaped: Uint8Array): void {
    for (let from = range.start; from < range.end; from++) {
      const byte = source[from] as number
      if (escaped[byte] === 1) this.byte(0x5c)
      this.byte(byte)
    }
  }

  ascii(text: string): void {
    this.at = writeText(this.out, this.at, text)
  }

  int64(high: number, low: number): void {
    this.at = writeInt64(this.out, this.at, high, low)
  }

  /** Writes the time that ends a row, given in µs, as nanoseconds. */
  end(micros: number): void {
    this.byte(SPACE)
    this.at = writeWhole(this.out, this.at, micros)
    this.byte(ZERO)
    this.byte(ZERO)
    this.byte(ZERO)
    this.byte(NEWLINE)
  }
}
