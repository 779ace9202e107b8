/**
 * One MQTT session of a fleet, from the broker to the stream.
 *
 * It ends when the fleet is removed (Draining), as its devices may no longer publish; or when the fleet goes on with fewer sessions: then
 * its devices go on, so it first gives up its share of the messages. What the broker gave it until then is taken (`ending.ts`).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { appliedKey, label, namesOf } from '@fleetloom/crds/names'
import { ingestFilters } from '@fleetloom/shared/broker/acl'
import type { DeadLetter } from '@fleetloom/shared/dead-letters/dead-letter'
import type { ReplayOutcome } from '@fleetloom/shared/dead-letters/replay'
import type { AppliedReporter } from '@fleetloom/shared/pipeline/applied'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Logger } from '@fleetloom/shared/process/logger'
import type { Tracing } from '@fleetloom/shared/process/tracing'
import type { ConnectionOptions } from '../mqtt/connection.ts'
import type { Frame } from '../mqtt/frame.ts'
import { MOST_IN_A_READ } from '../mqtt/read-buffer.ts'
import { Ending } from './ending.ts'
import { Intake } from './intake.ts'
import { type Filters, Link } from './link.ts'
import { type OutletOptions, Outlets } from './outlets.ts'
import { ArrivalRate, Progress } from './progress.ts'
import { emptyStats } from './stats.ts'
import { type Backlog, Watch } from './watch.ts'

export type SessionOptions = Omit<OutletOptions, 'stats' | 'session'> &
  Omit<ConnectionOptions, 'user' | 'password' | 'onPublish' | 'onRead' | 'mayRead'> & {
    readonly passwordOf: (user: string) => string
    readonly takeoverPauseMs: number
    readonly probeMs: number
    readonly brokerQueueMessages: number
    readonly reporter: AppliedReporter
    readonly tracing: Tracing
    readonly log: Logger
  }

const TICK_MS = 1_000
/** Longest wait for PubAcks on a clean stop; what is not acknowledged by then is delivered again. */
const STOP_MS = 8_000

export class Session {
  readonly stats = emptyStats()
  readonly key: string
  readonly #options: SessionOptions
  readonly #watch: Watch
  readonly #outlets: Outlets
  readonly #intake: Intake
  readonly #link: Link
  readonly #ending: Ending
  readonly #progress = new Progress()
  readonly #rate = new ArrivalRate()
  readonly #timer: NodeJS.Timeout
  #document: FleetDocument
  #perSecond = 0
  #probedMs = 0
  #subscribedGeneration: number | undefined
  #isSurplus = false

  constructor(document: FleetDocument, index: number, options: SessionOptions) {
    const log = options.log.child({ fleet: label(document), session: index })
    this.#document = document
    this.#options = { ...options, log }
    this.key = appliedKey('ingest', document, index)
    this.#watch = new Watch(document)
    this.#watch.reconnecting(this.#mostDuplicates())
    this.#outlets = new Outlets(document, { ...options, log, stats: this.stats, session: index })
    this.#intake = new Intake(document, {
      outlets: this.#outlets,
      stats: this.stats,
      watch: this.#watch,
      tracing: options.tracing,
      log,
      tell: (topic, payload) => this.#link.tell(topic, payload),
    })
    this.#link = this.#openLink(namesOf(document.installation).ingestUser(document, index))
    this.#ending = new Ending({
      link: this.#link,
      outlets: this.#outlets,
      progress: this.#progress,
      log,
      isQuiet: () => !this.#isSurplus || this.#link.isSettled,
      onEnded: () => this.#onEnded(),
    })
    this.#outlets.onSettled = () => this.#link.release()
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    if (document.phase === 'Draining') this.#ending.begin()
  }

  get document(): FleetDocument {
    return this.#document
  }

  get isConnected(): boolean {
    return this.#link.isConnected
  }

  /** Whether the session is being ended or has been, and can't be used for a fleet that lives. */
  get isRetired(): boolean {
    return this.#ending.hasBegun
  }

  get hasEnded(): boolean {
    return this.#ending.hasEnded
  }

  /** Brings the session to a newer document of the same fleet, without dropping the connection. */
  update(document: FleetDocument): void {
    this.#document = document
    this.#intake.swap(document)
    if (document.phase === 'Draining') this.#ending.begin()
    else this.#link.refresh()
  }

  /** Leaves the messages to the fleet's other sessions, as the document says, then ends. */
  leave(document: FleetDocument): void {
    this.#isSurplus = true
    this.#document = document
    if (this.hasEnded) this.#reportDrained()
    else {
      this.#intake.swap(document)
      this.#link.refresh()
      this.#ending.begin()
    }
  }

  replay(letter: DeadLetter, payload: Uint8Array, dryRun: boolean): Promise<ReplayOutcome> {
    return this.#intake.replay(letter, payload, dryRun)
  }

  backlog(nowMs: number): Backlog {
    const lagSeconds = this.#progress.lagSeconds(nowMs)
    const free = this.#options.brokerQueueMessages - lagSeconds * this.#perSecond
    return {
      lagSeconds,
      leftSeconds: this.#perSecond === 0 ? Number.POSITIVE_INFINITY : Math.max(0, free / this.#perSecond),
    }
  }

  /** Stops reading, publishes what was taken, acknowledges it and leaves the session to the next owner. */
  async close(): Promise<void> {
    const goesOn = await this.#ending.leave()
    this.#options.reporter.clear(this.key)
    if (!goesOn) return
    this.#link.stopReading()
    await Promise.race([this.#outlets.drained(), sleep(STOP_MS, undefined, { ref: false })])
    await this.#link.close({ forget: false })
    this.#dispose()
  }

  #openLink(user: string): Link {
    return new Link({
      ...this.#options,
      user,
      password: this.#options.passwordOf(user),
      mayRead: () => this.#outlets.mayTake,
      filters: () => this.#filters(),
      onRead: () => this.#intake.arrived(Date.now()),
      onFrame: (frame: Frame) => this.#intake.take(frame),
      onProbe: (payload) => void this.#onProbe(payload),
      onSubscribed: () => this.#onSubscribed(),
      onLost: () => this.#onLost(),
    })
  }

  /** An earlier process may have subscribed the session for another number of sessions: alone, or as one of several. */
  #filters(): Filters {
    const filters = ingestFilters(this.#document)
    const other = ingestFilters({ ...this.#document, sessions: this.#document.sessions === 1 ? 2 : 1 })
    return this.#isSurplus ? { wanted: [], unwanted: [...filters, ...other] } : { wanted: filters, unwanted: other }
  }

  /** What can be in flight when a process dies: the window, and what its last read held. */
  #mostDuplicates(): number {
    return this.#options.receiveMaximum + MOST_IN_A_READ
  }

  #dispose(): void {
    clearInterval(this.#timer)
    this.#outlets.close()
  }

  #onSubscribed(): void {
    this.#subscribedGeneration = this.#document.generation
    this.#probedMs = 0
    this.#report()
  }

  #onLost(): void {
    this.stats.reconnects++
    this.#progress.interrupted()
    this.#watch.reconnecting(this.#mostDuplicates())
  }

  async #onProbe(payload: string): Promise<void> {
    this.#ending.probeReturned(payload)
    const mark = this.#progress.returned(payload)
    if (mark === undefined) return
    await this.#outlets.rowsDrained()
    this.#outlets.batcher.mark(mark)
  }

  #tick(): void {
    const nowMs = Date.now()
    this.#perSecond = this.#rate.sample(this.stats.messages, nowMs)
    if (
      this.#link.isConnected &&
      this.#subscribedGeneration !== undefined &&
      nowMs - this.#probedMs >= this.#options.probeMs
    ) {
      const payload = this.#progress.probe(nowMs)
      this.#probedMs = nowMs
      if (payload !== undefined) this.#link.probe(payload)
    }
    this.#report()
  }

  #report(): void {
    if (this.#subscribedGeneration === undefined || this.isRetired) return
    const observed = this.#watch.observed(Date.now(), this.backlog(Date.now()))
    const { uid } = this.#document
    this.#options.reporter.report(this.key, {
      uid,
      generation: this.#subscribedGeneration,
      state: 'Subscribed',
      observed,
    })
  }

  #onEnded(): void {
    this.#dispose()
    this.#options.log.info('drained: the session has ended')
    this.#reportDrained()
  }

  #reportDrained(): void {
    const { uid, generation } = this.#document
    this.#options.reporter.report(this.key, { uid, generation, state: 'Drained', observed: [] })
  }
}
