/** Numbers and texts in bytes, little endian: what a checkpoint is written and read with. */

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(4096)
  #at = 0

  u8(value: number): void {
    this.#at = this.#room(1).writeUInt8(value, this.#at)
  }

  u16(value: number): void {
    this.#at = this.#room(2).writeUInt16LE(value, this.#at)
  }

  u32(value: number): void {
    this.#at = this.#room(4).writeUInt32LE(value >>> 0, this.#at)
  }

  f64(value: number): void {
    this.#at = this.#room(8).writeDoubleLE(value, this.#at)
  }

  /** At most 65,535 bytes of UTF-8. */
  text(value: string): void {
    const size = Buffer.byteLength(value)
    this.u16(size)
    this.#at += this.#room(size).write(value, this.#at)
  }

  done(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#bytes, 0, this.#at)
  }

  #room(size: number): Buffer {
    if (this.#at + size > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + size))
      this.#bytes.copy(larger, 0, 0, this.#at)
      this.#bytes = larger
    }
    return this.#bytes
  }
}

/** Reads what a writer wrote, in the same order. @throws RangeError behind the end. */
export class ByteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#move(1))
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#move(2))
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#move(4))
  }

  f64(): number {
    return this.#bytes.readDoubleLE(this.#move(8))
  }

  text(): string {
    const size = this.u16()
    const at = this.#move(size)
    return this.#bytes.toString('utf8', at, at + size)
  }

  #move(size: number): number {
    const at = this.#at
    this.#at += size
    if (this.#at > this.#bytes.length) throw new RangeError('the checkpoint ends too early')
    return at
  }
}
