/** Writes the checkpoints of one shard, one at a time: two at once are of the same revision, and one would overtake the other. */
import { Overtaken, type Writing } from '../checkpoint/store.ts'

export type CheckpointWriterOptions = {
  /** Writes one; returns its revision. @throws Overtaken */
  readonly save: (writing: Writing) => Promise<number>
  /** Told of each that was begun and came to its end; it may begin the next. */
  readonly onWritten: () => void
  readonly onFault: (error: unknown) => void
}

export class CheckpointWriter {
  readonly #options: CheckpointWriterOptions
  #revision: number
  #underWay: Promise<void> | undefined
  readonly #closed = new AbortController()
  #isOvertaken = false

  /** `revision`: of the checkpoint that the first one is written over; 0 when there is none. */
  constructor(revision: number, options: CheckpointWriterOptions) {
    this.#revision = revision
    this.#options = options
  }

  /** Another replica has written one: none will be written here any more. */
  get isOvertaken(): boolean {
    return this.#isOvertaken
  }

  /** Begins one, unless one is under way. */
  begin(): void {
    if (this.#underWay || this.#isOvertaken || this.#closed.signal.aborted) return
    const { onWritten, onFault } = this.#options
    const { signal } = this.#closed
    void this.#one({ signal }).then(onWritten, (error) => signal.aborted || onFault(error))
  }

  /** From now on none begins by itself, and the one under way is given up. Resolves when there is none. */
  async close(): Promise<void> {
    this.#closed.abort(new Error('another checkpoint takes its place'))
    await this.#underWay
  }

  /** Writes the last one. To be called once closed. @throws when it was not written */
  last(): Promise<void> {
    return this.#one({ isLast: true })
  }

  #one(how: Omit<Writing, 'before'>): Promise<void> {
    const written = this.#write(how)
    const over = (): void => {
      this.#underWay = undefined
    }
    this.#underWay = written.then(over, over)
    return written
  }

  async #write(how: Omit<Writing, 'before'>): Promise<void> {
    try {
      this.#revision = await this.#options.save({ before: this.#revision, ...how })
    } catch (error) {
      this.#isOvertaken ||= error instanceof Overtaken
      throw error
    }
  }
}
