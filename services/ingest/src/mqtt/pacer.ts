/**
 * When busy connections read. A connection that has just read and finds itself busy waits for the next pulse, a few
 * milliseconds on, so that one read takes many messages and the process wakes seldom; a quiet one reads at once.
 */

/** Something that stopped reading and wants to go on. */
export type Reader = {
  /** Goes on, unless it has a reason not to yet: then it is asked again. */
  readonly tryRead: () => boolean
}

export class Pacer {
  readonly #pauseMs: number
  readonly #readers = new Set<Reader>()
  #timer: NodeJS.Timeout | undefined

  constructor(pauseMs: number) {
    this.#pauseMs = pauseMs
  }

  get pauseMs(): number {
    return this.#pauseMs
  }

  /** Asks `reader` at the next pulse. */
  add(reader: Reader): void {
    this.#readers.add(reader)
    this.#timer ??= setTimeout(() => this.#pulse(), this.#pauseMs)
  }

  remove(reader: Reader): void {
    this.#readers.delete(reader)
  }

  #pulse(): void {
    this.#timer = undefined
    const readers = [...this.#readers]
    for (const reader of readers) if (reader.tryRead()) this.#readers.delete(reader)
    if (this.#readers.size > 0) this.#timer = setTimeout(() => this.#pulse(), this.#pauseMs)
  }
}
