/**
 * Open batches of one session, one for each subject: the shards' readings, or the events. All are sealed together, a set time
 * after the first row came, or each when it is full; while a subject's lane is busy its batch goes on growing instead. A sealed
 * batch's memory comes back, and its messages may be acknowledged, when the stream has it.
 */
import { allSessions, type FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { Batch } from './batch.ts'
import type { Account } from './budget.ts'
import type { Buffers } from './buffers.ts'
import { Lane } from './lane.ts'
import type { Publisher, PublishFault } from './publisher.ts'

const NO_BYTES = Buffer.alloc(0)

export type BatcherOptions = {
  /** Subject of each lane, by its number. */
  readonly subjectsOf: (document: FleetDocument) => readonly string[]
  readonly publisher: Publisher
  readonly buffers: Buffers
  readonly account: Account
  readonly batchMs: number
  /** Which of the fleet's sessions this is. */
  readonly session: number
  /** Told of every batch that the stream has. */
  readonly onStored: (batch: Batch, sealedMs: number) => void
  readonly onFault: (fault: PublishFault | undefined) => void
}

export class Batcher {
  readonly #options: BatcherOptions
  #document: FleetDocument
  #open: (Batch | undefined)[] = []
  #lanes: Lane[] = []
  /** Progress marks, ms since the epoch, that wait for the next batch of each shard. */
  #marks: (number | undefined)[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(document: FleetDocument, options: BatcherOptions) {
    this.#document = document
    this.#options = options
    this.#grow()
  }

  /** Seals what is open under the old document; later rows are of the new one. */
  swap(document: FleetDocument): void {
    this.seal()
    this.#document = document
    this.#grow()
  }

  /** The shard's open batch with room for a row of up to `bytes`. */
  room(shard: number, bytes: number): Batch {
    const open = this.#open[shard]
    if (open?.hasRoom(bytes)) return open
    if (open) this.#replace(open)
    const batch = new Batch(shard, this.#options.buffers.take(bytes))
    this.#options.account.add(batch.bytes.length)
    this.#open[shard] = batch
    this.#timer ??= setTimeout(() => this.#due(), this.#options.batchMs)
    return batch
  }

  #replace(open: Batch): void {
    if (open.rows > 0) {
      this.#sealShard(open.shard)
      return
    }
    this.#options.account.remove(open.bytes.length)
    this.#options.buffers.give(open.bytes)
    this.#open[open.shard] = undefined
  }

  /** Whether a stream has refused and not yet taken a batch since. */
  get isStalled(): boolean {
    return this.#lanes.some((lane) => lane.isStalled)
  }

  /** Publishes all rows gathered so far. */
  seal(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (let shard = 0; shard < this.#lanes.length; shard++) this.#sealShard(shard)
  }

  /** Seals, and resolves when the stream has every row taken so far. */
  async drained(): Promise<void> {
    this.seal()
    await Promise.all(this.#lanes.map((lane) => lane.barrier()))
  }

  /** Writes the mark into each shard behind what the stream has now; call it after `drained`. */
  mark(progressMs: number): void {
    this.#marks = this.#lanes.map(() => progressMs)
    this.#timer ??= setTimeout(() => this.#due(), this.#options.batchMs)
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const lane of this.#lanes) lane.close()
  }

  #grow(): void {
    const { publisher, onFault, subjectsOf } = this.#options
    while (this.#lanes.length < subjectsOf(this.#document).length) this.#lanes.push(new Lane({ publisher, onFault }))
  }

  /** Seals what need not wait for its lane; the rest stays open, bounded by its size. */
  #due(): void {
    this.#timer = undefined
    this.#lanes.forEach((lane, shard) => {
      if (!lane.isBusy) this.#sealShard(shard)
    })
    const isLeft =
      this.#open.some((batch) => batch !== undefined && batch.rows > 0) ||
      this.#marks.some((mark) => mark !== undefined)
    if (isLeft) this.#timer ??= setTimeout(() => this.#due(), this.#options.batchMs)
  }

  #sealShard(shard: number): void {
    const mark = this.#marks[shard]
    const open = this.#open[shard]
    const lane = this.#lanes[shard]
    const isEmpty = open === undefined || open.rows === 0
    if (lane === undefined || (isEmpty && mark === undefined)) return
    const batch = isEmpty ? new Batch(shard, NO_BYTES) : open
    if (!isEmpty) this.#open[shard] = undefined
    this.#marks[shard] = undefined
    const { buffers, account, onStored, session, subjectsOf } = this.#options
    const sealedMs = performance.now()
    lane.push({
      subject: subjectsOf(this.#document)[shard] as string,
      body: batch.body(),
      headers: batch.headers(this.#document, mark, allSessions(this.#document) > 1 ? session : undefined),
      onStored: () => {
        account.remove(batch.bytes.length)
        buffers.give(batch.bytes)
        batch.ticket.done = true
        onStored(batch, sealedMs)
      },
    })
  }
}
