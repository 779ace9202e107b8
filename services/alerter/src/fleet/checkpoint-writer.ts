/** Writes the checkpoints of one shard, one at a time: two at once are of the same revision, and one would overtake the other. */
import { Overtaken } from '../checkpoint/store.ts'

export type CheckpointWriterOptions = {
  /** Writes one over the one of revision `before`; returns its own. @throws Overtaken */
  readonly save: (before: number) => Promise<number>
  /** Told of each that was begun and came to its end; it may begin the next. */
  readonly onWritten: () => void
  readonly onFault: (error: unknown) => void
}

export class CheckpointWriter {
  readonly #options: CheckpointWriterOptions
  #revision: number
  #underWay: Promise<void> | undefined
  #isClosed = false
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

  /** Only what is asked for is written. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Begins one, unless one is under way. */
  begin(): void {
    if (this.#underWay || this.#isOvertaken || this.#isClosed) return
    const { onWritten, onFault } = this.#options
    void this.write().then(onWritten, onFault)
  }

  /** From now on none begins by itself. Resolves when none is under way: what is still to be written is written by the caller. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#underWay
  }

  /** Writes one now. To be called while none is under way. @throws when it was not written */
  write(): Promise<void> {
    const written = this.#write()
    const over = (): void => {
      this.#underWay = undefined
    }
    this.#underWay = written.then(over, over)
    return written
  }

  async #write(): Promise<void> {
    try {
      this.#revision = await this.#options.save(this.#revision)
    } catch (error) {
      this.#isOvertaken ||= error instanceof Overtaken
      throw error
    }
  }
}
