/** Where a session's messages go: batches of rows, dead letters, events. All of it is counted against the session's memory. */
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Logger } from '@fleetloom/shared/process/logger'
import type { Batch } from '../batch/batch.ts'
import { Batcher } from '../batch/batcher.ts'
import type { Account, Budget } from '../batch/budget.ts'
import type { Buffers } from '../batch/buffers.ts'
import { Lane } from '../batch/lane.ts'
import type { Publisher, PublishFault } from '../batch/publisher.ts'
import { Events } from './events.ts'
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
  readonly events: Events
  /** Called whenever something became durable: tickets are done. */
  onSettled: () => void = () => undefined
  readonly #options: OutletOptions
  readonly #account: Account
  readonly #lanes: { readonly letters: Lane; readonly events: Lane }
  #complainedMs = Number.NEGATIVE_INFINITY

  constructor(document: FleetDocument, options: OutletOptions) {
    const { publisher, buffers, budget, batchMs, session } = options
    const onFault = (fault: PublishFault | undefined) => this.#fault(fault)
    this.#options = options
    this.#account = budget.open()
    this.#lanes = { letters: new Lane({ publisher, onFault }), events: new Lane({ publisher, onFault }) }
    const onStored = (batch: Batch, sealedMs: number) => this.#stored(batch, sealedMs)
    this.batcher = new Batcher(document, {
      publisher,
      buffers,
      account: this.#account,
      batchMs,
      session,
      onStored,
      onFault,
    })
    const settled = () => this.onSettled()
    this.letters = new Letters({ lane: this.#lanes.letters, account: this.#account, settled })
    this.events = new Events({ lane: this.#lanes.events, account: this.#account, settled })
  }

  get mayTake(): boolean {
    return this.#account.mayTake
  }

  /** Whether a stream refuses what we have for it. */
  get isStalled(): boolean {
    return this.batcher.isStalled || this.#lanes.letters.isStalled || this.#lanes.events.isStalled
  }

  /** Resolves when everything taken so far is durable. */
  async drained(): Promise<void> {
    await Promise.all([this.batcher.drained(), this.#lanes.letters.barrier(), this.#lanes.events.barrier()])
  }

  /** Gives up what is not durable yet: its messages were not acknowledged, so the broker still has them. */
  close(): void {
    this.batcher.close()
    this.#lanes.letters.close()
    this.#lanes.events.close()
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
