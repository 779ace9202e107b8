/** Which shards of which fleets this replica holds: those that exist, as far as ownership gives them to it. */
import type { Ownership } from '@fleetloom/shared/ownership'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { FleetAlerter, shardKey } from './fleet-alerter.ts'
import { type Changes, Known } from './known.ts'
import { Orphans } from './orphans.ts'
import type { AlerterParts } from './parts.ts'

const TICK_MS = 1_000
/** How often it looks for what former fleets have left. */
const ORPHANS_MS = 30_000

/** A document that vanished while its fleet was active was deleted by hand, and comes back; the last good one stays in force. */
const isOver = (held: FleetAlerter, document: FleetDocument | undefined): boolean =>
  document ? document.uid !== held.uid : held.document.phase === 'Draining'

export class Fleets implements AsyncDisposable {
  readonly known: Known
  readonly #parts: AlerterParts
  readonly #ownership: Pick<Ownership, 'owns' | 'onChange'>
  readonly #alerters = new Map<string, FleetAlerter>()
  /** What is on its way out, by fleet: a successor waits for it. */
  readonly #stopping = new Map<string, FleetAlerter>()
  readonly #timer: NodeJS.Timeout
  #orphans: Orphans | undefined
  #started = false
  #closed = false

  constructor(parts: AlerterParts, ownership: Pick<Ownership, 'owns' | 'onChange'>) {
    this.#parts = parts
    this.#ownership = ownership
    this.known = new Known(this.#changes())
    ownership.onChange(() => this.#settleAll())
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  /** Everything that exists was told: begin. Before that a shard would be restored without its rules. */
  start(): void {
    this.#started = true
    this.#settleAll()
    const isKnown = (key: string): boolean =>
      this.known.documentOf(key) !== undefined || this.#alerters.has(key) || this.#stopping.has(key)
    const owns = (key: string): boolean => this.#ownership.owns(key)
    this.#orphans = new Orphans({ parts: this.#parts, isKnown, owns }, ORPHANS_MS)
  }

  /** Number of shards held. */
  get shards(): number {
    let count = 0
    for (const alerter of this.#alerters.values()) for (const _ of alerter.shards()) count++
    return count
  }

  get(key: string): FleetAlerter | undefined {
    return this.#alerters.get(key)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await this.#orphans?.[Symbol.asyncDispose]()
    const all = [...this.#alerters.values(), ...this.#stopping.values()]
    await Promise.all(all.map((alerter) => alerter[Symbol.asyncDispose]()))
    this.#alerters.clear()
  }

  #changes(): Changes {
    return {
      onFleet: (key) => this.#settle(key),
      onRule: (key, rule) => this.#alerters.get(key)?.setRule(rule),
      onRuleGone: (key, uid) => this.#alerters.get(key)?.removeRule(uid),
      onDevice: (key, device, labels) => this.#alerters.get(key)?.setDevice(device, labels),
      onDeviceGone: (key, device) => this.#alerters.get(key)?.removeDevice(device),
    }
  }

  #settleAll(): void {
    for (const key of new Set([...this.known.keys(), ...this.#alerters.keys()])) this.#settle(key)
  }

  /** Brings one fleet to what its document and ownership ask for. */
  #settle(key: string): void {
    if (!this.#started || this.#closed || this.#stopping.has(key)) return
    const held = this.#alerters.get(key)
    const document = this.known.documentOf(key)
    if (held && isOver(held, document)) this.#end(key, held)
    else {
      const wanted = document ?? held?.document
      if (wanted) this.#hold(key, wanted)
    }
  }

  #hold(key: string, document: FleetDocument): void {
    const alerter = this.#alerters.get(key) ?? new FleetAlerter(this.#parts, () => this.known.of(key), document)
    this.#alerters.set(key, alerter)
    alerter.update(document)
    const indexes = document.stream.telemetrySubjects.map((_, index) => index)
    alerter.hold(new Set(indexes.filter((index) => this.#ownership.owns(shardKey(document, index)))))
  }

  #end(key: string, alerter: FleetAlerter): void {
    this.#alerters.delete(key)
    this.#stopping.set(key, alerter)
    void alerter.gone().then(() => {
      this.#stopping.delete(key)
      this.#settle(key)
    })
  }

  #tick(): void {
    const nowMs = performance.now()
    this.known.tick(nowMs)
    for (const alerter of this.#alerters.values()) alerter.tick(nowMs)
  }
}
