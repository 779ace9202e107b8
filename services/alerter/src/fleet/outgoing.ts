/**
 * What a shard has found and no stream has yet.
 *
 * What follows from the stream alone is sent at once: after a crash it is found again, with the same id. What follows from something
 * told from outside (a rule, a device) is held until a checkpoint has both, because after a crash it would be found at another time.
 */
import type { Found } from './letters.ts'

/** Most of one shard before it reads no further. */
const MOST = 1_000
const NEVER = new AbortController().signal

export type OutgoingOptions = {
  /** Resolves when a stream has it; rejects when it was given up. */
  readonly send: (found: Found, signal: AbortSignal) => Promise<unknown>
}

export class Outgoing {
  readonly #send: OutgoingOptions['send']
  readonly #underWay = new Set<Found>()
  readonly #presence = new AbortController()
  #held: Found[] = []
  /** Resolved and made anew whenever one is settled. */
  #settled = Promise.withResolvers<void>()

  constructor({ send }: OutgoingOptions) {
    this.#send = send
  }

  /** Everything that a checkpoint has to keep, oldest first. */
  all(): Found[] {
    return [...this.#underWay, ...this.#held]
  }

  get held(): number {
    return this.#held.length
  }

  send(found: Found): void {
    this.#underWay.add(found)
    const signal = 'presence' in found ? this.#presence.signal : NEVER
    const done = (): void => this.#done(found)
    void this.#send(found, signal).then(done, done)
  }

  hold(found: Found): void {
    this.#held.push(found)
  }

  /** What is held now, oldest first. */
  holding(): readonly Found[] {
    return [...this.#held]
  }

  /** Sends these, if they are still held, oldest first. */
  release(these: readonly Found[]): void {
    const released = new Set(these)
    const held = this.#held
    this.#held = held.filter((found) => !released.has(found))
    for (const found of held) if (released.has(found)) this.send(found)
  }

  /** Resolves when there is room for more. @throws what `signal` is aborted with. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#underWay.size + this.#held.length >= MOST) await this.#oneSettled(signal)
  }

  /** Resolves when all is in a stream that is not held. @throws what `signal` is aborted with. */
  async sent(signal: AbortSignal): Promise<void> {
    while (this.#underWay.size > 0) await this.#oneSettled(signal)
  }

  /** Presence goes to the fleet's own stream, which goes with the fleet. */
  giveUpPresence(): void {
    this.#held = this.#held.filter((found) => !('presence' in found))
    this.#presence.abort(new Error('the fleet is gone'))
  }

  /** Another replica goes on with the shard: what was held here is not so. */
  giveUpHeld(): void {
    this.#held = []
    this.#wake()
  }

  #done(found: Found): void {
    this.#underWay.delete(found)
    this.#wake()
  }

  #wake(): void {
    this.#settled.resolve()
    this.#settled = Promise.withResolvers()
  }

  async #oneSettled(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const abort = (): void => aborted.reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      await Promise.race([this.#settled.promise, aborted.promise])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }
}
