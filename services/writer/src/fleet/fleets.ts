/** Runs a loop for each fleet that this replica owns, and for no other. */
import { fleetKey, type Ref } from '@fleetloom/crds/names'
import type { Ownership } from '@fleetloom/shared/ownership'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { FleetWriter } from './fleet-writer.ts'
import type { WriterParts } from './parts.ts'

const TICK_MS = 1_000

export class Fleets implements AsyncDisposable {
  readonly #parts: WriterParts
  readonly #ownership: Pick<Ownership, 'owns' | 'onChange'>
  readonly #documents = new Map<string, FleetDocument>()
  readonly #writers = new Map<string, FleetWriter>()
  /** Of each fleet, the last loop to stop: its successor waits for it, so a fleet has one loop here. */
  readonly #stopping = new Map<string, Promise<void>>()
  readonly #timer: NodeJS.Timeout
  #closed = false

  constructor(parts: WriterParts, ownership: Pick<Ownership, 'owns' | 'onChange'>) {
    this.#parts = parts
    this.#ownership = ownership
    ownership.onChange(() => this.#settleAll())
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    void this.#followConnection()
  }

  onFleet(document: FleetDocument): void {
    this.#documents.set(fleetKey(document), document)
    this.#settle(fleetKey(document))
  }

  onGone(fleet: Ref): void {
    this.#documents.delete(fleetKey(fleet))
    this.#settle(fleetKey(fleet))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    this.#settleAll()
    await Promise.all(this.#stopping.values())
  }

  #settleAll(): void {
    for (const key of new Set([...this.#documents.keys(), ...this.#writers.keys()])) this.#settle(key)
  }

  /** Brings one fleet's loop to what document and ownership ask for. */
  #settle(key: string): void {
    const document = this.#closed || !this.#ownership.owns(key) ? undefined : this.#documents.get(key)
    const writer = this.#writers.get(key)
    if (writer && writer.uid !== document?.uid) this.#stop(key, writer)
    else if (writer && document) writer.update(document)
    else if (document && !this.#stopping.has(key)) this.#writers.set(key, new FleetWriter(this.#parts, document))
  }

  #stop(key: string, writer: FleetWriter): void {
    this.#writers.delete(key)
    const stopped = writer[Symbol.asyncDispose]().finally(() => {
      this.#stopping.delete(key)
      this.#settle(key)
    })
    this.#stopping.set(key, stopped)
  }

  #tick(): void {
    for (const writer of this.#writers.values()) writer.tick()
  }

  async #followConnection(): Promise<void> {
    for await (const { type } of this.#parts.nats.connection.status()) {
      if (type === 'reconnect') for (const writer of this.#writers.values()) writer.reconnected()
    }
  }
}
