/** Messages that left the stream before a shard read them. They are spoken of for an hour of marks after the last of them. */
const SPOKEN_OF_MS = 3_600_000

export class Missed {
  #count = 0
  /** The first mark since the last of them, ms; none came yet when it is undefined. */
  #sinceMs: number | undefined

  /** At most so many: some may have been of other shards. */
  get count(): number {
    return this.#count
  }

  note(count: number): void {
    this.#count += count
    this.#sinceMs = undefined
  }

  /** A progress mark. */
  advance(markMs: number): void {
    this.#sinceMs ??= markMs
    if (markMs - this.#sinceMs >= SPOKEN_OF_MS) this.#count = 0
  }
}
