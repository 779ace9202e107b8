/**
 * How a session ends at the broker: when, within one connection, a probe has come back, the broker holds nothing more from before it; when
 * all of that is durable and acknowledged, the session is ended there. What is not yet so is tried again, until somebody leaves the
 * session to the next owner.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Link } from './link.ts'
import type { Outlets } from './outlets.ts'
import type { Progress } from './progress.ts'

export type EndingParts = {
  readonly link: Link
  readonly outlets: Outlets
  readonly progress: Progress
  readonly log: Logger
  /** Whether nothing arrives any more that is not before a probe sent now. */
  readonly isQuiet: () => boolean
  readonly onEnded: () => void
}

const POLL_MS = 50
const PROBE_MS = 2_000

export class Ending {
  readonly #parts: EndingParts
  #state: 'open' | 'draining' | 'ending' | 'ended' | 'left' = 'open'
  #done: Promise<void> = Promise.resolve()
  #lastProbe = 0

  constructor(parts: EndingParts) {
    this.#parts = parts
  }

  get hasBegun(): boolean {
    return this.#state !== 'open'
  }

  get hasEnded(): boolean {
    return this.#state === 'ended'
  }

  /** Calling it again does no more. */
  begin(): void {
    if (this.#state !== 'open') return
    this.#state = 'draining'
    this.#done = this.#run().catch((error) => this.#parts.log.error(`could not drain: ${messageOf(error)}`))
  }

  /** To be told the payload of each probe that came back. */
  probeReturned(payload: string): void {
    this.#lastProbe = Math.max(this.#lastProbe, Number(payload) || 0)
  }

  /**
   * Ends nothing that is not being ended already; whoever does not wait for that would open the session beside it. False when there is
   * nothing left for the next owner, or it was left before.
   */
  async leave(): Promise<boolean> {
    if (this.#state === 'open' || this.#state === 'draining') {
      this.#state = 'left'
      return true
    }
    if (this.#state !== 'left') await this.#done
    return false
  }

  async #run(): Promise<void> {
    const { link, onEnded } = this.#parts
    while (this.#state === 'draining' && !(await this.#isDrained())) await sleep(POLL_MS)
    if (this.#state !== 'draining') return
    this.#state = 'ending'
    await link.close({ forget: true })
    this.#state = 'ended'
    onEnded()
  }

  async #isDrained(): Promise<boolean> {
    const { link, outlets, progress, isQuiet } = this.#parts
    const { epoch } = link
    if (!isQuiet()) return false
    const startMs = Date.now()
    for (let sentMs = 0; this.#lastProbe < startMs; await sleep(POLL_MS)) {
      if (this.#state !== 'draining' || link.epoch !== epoch || !link.isConnected) return false
      if (Date.now() - sentMs < PROBE_MS) continue
      sentMs = Date.now()
      link.probe(progress.force(sentMs))
    }
    await outlets.drained()
    return link.isConnected && link.epoch === epoch
  }
}
