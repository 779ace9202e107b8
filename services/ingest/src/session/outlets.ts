/** Where a session's messages go: batches of readings and of events, dead letters. All of it is counted against the session's memory. */
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Logger } from '@fleetloom/shared/process/logger'
import type { Batch } from '../batch/batch.ts'
import { Batcher } from '../batch/batcher.ts'
import type { Account, Budget } from '../batch/budget.ts'
import type { Buffers } from '../batch/buffers.ts'
import { Lane } from '../batch/lane.ts'
import type { Publisher, PublishFault } from '../batch/publisher.ts'
import { Letters } from './letters.ts'
import { count, type Stats } from './stats.ts'

export type OutletOptions = {
  readonly publisher: Publisher
  readonly buffers: Buffers
  readonly budget: Budget
  readonly batchMs: number
  /** Which of the fleet's sessions this is. */
  readonly session: number
  readonly stats: Stats
  readonly log: Logger
  /** Told how long a batch took from its sealing to its PubAck. */
  readonly onPublished: (seconds: number) => void
}

const COMPLAIN_EVERY_MS = 10_000

export class Outlets {
  readonly batcher: Batcher
  readonly letters: Letters
  /** Of one lane, as the events of all shards share a subject. */
  readonly events: Batcher
  /** Called whenever something became durable: tickets are done. */
  onSettled: () => void = () => undefined
  readonly #options: OutletOptions
  readonly #account: Account
  readonly #lettersLane: Lane
  #complainedMs = Number.NEGATIVE_INFINITY

  constructor(document: FleetDocument, options: OutletOptions) {
    const { publisher, buffers, budget, batchMs, session } = options
    const onFault = (fault: PublishFault | undefined) => this.#fault(fault)
    this.#options = options
    this.#account = budget.open()
    this.#lettersLane = new Lane({ publisher, onFault })
    const onStored = (batch: Batch, sealedMs: number) => this.#stored(batch, sealedMs)
    const common = { publisher, buffers, account: this.#account, batchMs, session, onStored, onFault }
    this.batcher = new Batcher(document, { ...common, subjectsOf: ({ stream }) => stream.telemetrySubjects })
    this.events = new Batcher(document, { ...common, subjectsOf: ({ stream }) => [stream.eventsSubject] })
    const settled = () => this.onSettled()
    this.letters = new Letters({ lane: this.#lettersLane, account: this.#account, settled })
  }

  /** What is taken from now on is of the new document. */
  swap(document: FleetDocument): void {
    this.batcher.swap(document)
    this.events.swap(document)
  }

  get mayTake(): boolean {
    return this.#account.mayTake
  }

  /** Whether a stream refuses what we have for it. */
  get isStalled(): boolean {
    return this.batcher.isStalled || this.events.isStalled || this.#lettersLane.isStalled
  }

  /** Resolves when every row taken so far is in the stream. */
  async rowsDrained(): Promise<void> {
    await Promise.all([this.batcher.drained(), this.events.drained()])
  }

  /** Resolves when everything taken so far is durable. */
  async drained(): Promise<void> {
    await Promise.all([this.rowsDrained(), this.#lettersLane.barrier()])
  }

  /** Gives up what is not durable yet: its messages were not acknowledged, so the broker still has them. */
  close(): void {
    this.batcher.close()
    this.events.close()
    this.#lettersLane.close()
    this.#options.budget.close(this.#account)
  }

  #stored(batch: Batch, sealedMs: number): void {
    const { stats, onPublished } = this.#options
    if (batch.rows > 0) stats.batches++
    onPublished((performance.now() - sealedMs) / 1000)
    this.onSettled()
  }

  #fault(fault: PublishFault | undefined): void {
    const { stats, log } = this.#options
    const nowMs = performance.now()
    if (fault === undefined) {
      log.info('the stream takes messages again')
      return
    }
    count(stats.faults, fault.code)
    if (nowMs - this.#complainedMs < COMPLAIN_EVERY_MS) return
    this.#complainedMs = nowMs
    log.warn({ code: fault.code }, `the stream refuses; messages wait at the broker: ${fault.text}`)
  }
}
