/**
 * Which sessions this replica holds: those of the documents that exist, as far as ownership gives them to this replica. On
 * every change of either, what is no longer ours is closed and what is newly ours is opened; steps of one session follow
 * each other, so it is never open twice here.
 */
import { fleetKey, type Ref } from '@fleetloom/crds/names'
import type { Ownership } from '@fleetloom/shared/ownership'
import { allSessions, type FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Session } from './session/session.ts'

/** An open session and what goes with it. */
export type Held = { readonly session: Session; readonly companions: Disposable }

export type FleetsOptions = {
  readonly ownership: Pick<Ownership, 'owns'>
  readonly open: (document: FleetDocument, index: number) => Held
  readonly log: Logger
}

type Slot = { held?: Held | undefined; queue: Promise<void> }

const isSameFleet = (session: Session, { uid, phase }: FleetDocument, isSurplus: boolean): boolean =>
  session.document.uid === uid && !(session.isRetired && phase === 'Active' && !isSurplus)

/** A slot's key is the fleet's key, `#` and the index of the session. */
const partsOf = (key: string): { readonly fleet: string; readonly index: number } => {
  const [fleet = '', index] = key.split('#')
  return { fleet, index: Number(index) }
}

export class Fleets {
  readonly #options: FleetsOptions
  readonly #documents = new Map<string, FleetDocument>()
  readonly #slots = new Map<string, Slot>()
  #isClosed = false

  constructor(options: FleetsOptions) {
    this.#options = options
  }

  put(document: FleetDocument): void {
    const fleet = fleetKey(document)
    const before = this.#sessionsOf(fleet)
    this.#documents.set(fleet, document)
    this.#stepAll(fleet, Math.max(before, allSessions(document)))
  }

  gone(ref: Ref): void {
    const fleet = fleetKey(ref)
    const before = this.#sessionsOf(fleet)
    this.#documents.delete(fleet)
    this.#stepAll(fleet, before)
  }

  /** Sessions that are open here. */
  *held(): Iterable<Session> {
    for (const { held } of this.#slots.values()) if (held && !held.session.hasEnded) yield held.session
  }

  /** Call it when ownership has changed. */
  reconcile(): void {
    for (const [fleet, document] of this.#documents) this.#stepAll(fleet, allSessions(document))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const slots = [...this.#slots.values()]
    await Promise.all(slots.map((slot) => slot.queue.then(() => this.#release(slot))))
  }

  /** What the session of this key should be here, if it should be. */
  #wanted(key: string): { document: FleetDocument; index: number } | undefined {
    const { fleet, index } = partsOf(key)
    const document = this.#documents.get(fleet)
    if (document === undefined || index >= allSessions(document) || !this.#options.ownership.owns(key)) return undefined
    return { document, index }
  }

  #sessionsOf(fleet: string): number {
    const document = this.#documents.get(fleet)
    return document ? allSessions(document) : 0
  }

  #stepAll(fleet: string, sessions: number): void {
    for (let index = 0; index < sessions; index++) this.#step(`${fleet}#${index}`)
  }

  /** Takes up a session that is wanted or held here; others cost nothing. */
  #step(key: string): void {
    if (this.#isClosed || (!this.#slots.has(key) && !this.#wanted(key))) return
    const slot = this.#slots.get(key) ?? { queue: Promise.resolve() }
    this.#slots.set(key, slot)
    slot.queue = slot.queue
      .then(() => this.#bring(key, slot))
      .catch((error) => this.#options.log.error({ key }, `session not brought about: ${messageOf(error)}`))
  }

  /** Makes the slot what is wanted now. */
  async #bring(key: string, slot: Slot): Promise<void> {
    if (this.#isClosed) return
    const target = this.#wanted(key)
    if (target === undefined) return this.#drop(key, slot)
    const { document, index } = target
    const isSurplus = index >= document.sessions
    if (slot.held && !isSameFleet(slot.held.session, document, isSurplus)) await this.#release(slot)
    slot.held ??= this.#options.open(document, index)
    // Whoever had it before, the broker may hold messages for it.
    if (isSurplus) slot.held.session.leave(document)
    else if (slot.held.session.document !== document) slot.held.session.update(document)
  }

  async #drop(key: string, slot: Slot): Promise<void> {
    await this.#release(slot)
    if (this.#slots.get(key) === slot) this.#slots.delete(key)
  }

  async #release(slot: Slot): Promise<void> {
    const { held } = slot
    slot.held = undefined
    held?.companions[Symbol.dispose]()
    await held?.session.close()
  }
}
