/** Runs a worker for each lane of the alert stream that this replica owns, and for no other. */
import type { Ownership } from '@fleetloom/shared/ownership'
import type { NatsConnection } from '@nats-io/nats-core'
import type { Worker } from './worker.ts'

export type LaneDefinition = {
  readonly name: string
  /** Key of the ownership: lanes with the same one are worked on by the same replica. */
  readonly ownedBy: string
  readonly start: () => Worker
}

export type LanesOptions = {
  readonly lanes: readonly LaneDefinition[]
  readonly ownership: Pick<Ownership, 'owns' | 'onChange'>
  readonly connection: NatsConnection
}

export class Lanes implements AsyncDisposable {
  readonly #options: LanesOptions
  readonly #workers = new Map<string, Worker>()
  /** Of each lane, the last worker to stop: its successor waits for it. */
  readonly #stopping = new Map<string, Promise<void>>()
  #closed = false

  constructor(options: LanesOptions) {
    this.#options = options
    options.ownership.onChange(() => this.#settleAll())
    this.#settleAll()
    void this.#followConnection()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#settleAll()
    await Promise.all(this.#stopping.values())
  }

  #settleAll(): void {
    for (const lane of this.#options.lanes) this.#settle(lane)
  }

  #settle(lane: LaneDefinition): void {
    const wanted = !this.#closed && this.#options.ownership.owns(lane.ownedBy)
    const worker = this.#workers.get(lane.name)
    if (worker && !wanted) this.#stop(lane, worker)
    else if (!worker && wanted && !this.#stopping.has(lane.name)) this.#workers.set(lane.name, lane.start())
  }

  #stop(lane: LaneDefinition, worker: Worker): void {
    this.#workers.delete(lane.name)
    const stopped = worker[Symbol.asyncDispose]().finally(() => {
      this.#stopping.delete(lane.name)
      this.#settle(lane)
    })
    this.#stopping.set(lane.name, stopped)
  }

  async #followConnection(): Promise<void> {
    for await (const { type } of this.#options.connection.status())
      if (type === 'reconnect') for (const worker of this.#workers.values()) worker.reopen()
  }
}
