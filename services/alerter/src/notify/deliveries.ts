/**
 * Tells the webhooks of one partition. No receiver waits for another:
 *
 * 1. Deliveries of one alert to one receiver form a lane and follow each other; lanes know nothing of each other.
 * 2. A first attempt is made at once. If that fails or takes long, or the receiver is known not to work, or an earlier one of the
 *    lane still waits, the delivery is *parked*: a record goes into the alerts' bucket. From then on the stream need not keep it in
 *    hand, so a slow or dead receiver fills no lane of the outbox.
 * 3. A parked one is tried again with exponential backoff and jitter, not before the receiver asked for, and only while its circuit
 *    breaker lets somebody in, until it was taken, was refused for good, or had its last attempt. Then it becomes a dead letter.
 * 4. The next owner of the partition takes up what is parked.
 *
 * Records are bounded per receiver and per namespace. Where one would be needed and there is no room, the delivery is a dead letter at
 * once, and an attempt under way ends: so whatever a receiver does, it keeps no delivery of the stream in hand for long.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { backoffMs } from '@fleetloom/shared/backoff'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { type Delivery, laneOf } from './delivery.ts'
import type { Outcome } from './outcome.ts'
import { Parking } from './parking.ts'
import { type ReceiverState, type Receivers, receiverKey } from './receivers.ts'

/** How long a first attempt may take before the delivery is parked. */
const IMPATIENT_MS = 1_000

export type RetrySettings = {
  /** Attempts after which a delivery is given up. */
  readonly attempts: number
  /** First pause; it doubles with each attempt. */
  readonly backoffMs: number
  readonly longestBackoffMs: number
  /** Age at which a delivery is given up, whatever its attempts. */
  readonly longestMs: number
}

export type DeliveriesOptions = {
  readonly receivers: Receivers
  readonly retry: RetrySettings
  /** Id of the silence that holds the delivery back now. */
  readonly silencedBy: (delivery: Delivery) => Promise<string | undefined>
  /** One attempt, which ends with the delivery. Never rejects. */
  readonly attempt: (delivery: Delivery) => Promise<Outcome>
  /** Writes the record of a waiting delivery. */
  readonly park: (delivery: Delivery) => Promise<void>
  /** Removes it. */
  readonly unpark: (delivery: Delivery) => Promise<void>
  /** Resolves once the dead-letter stream has it. */
  readonly setAside: (delivery: Delivery, outcome: Given) => Promise<void>
  readonly log: Logger
}

/** Why nobody heard. */
export type Given = { readonly kind: 'dead' | 'silenced'; readonly reason: string }

export class Deliveries implements AsyncDisposable {
  readonly #options: DeliveriesOptions
  readonly #stop = new AbortController()
  readonly #lanes = new Map<string, { readonly queue: Delivery[]; done: Promise<void> }>()
  /** By sequence and index, so that one that comes again is known. */
  readonly #known = new Set<string>()
  readonly #parking = new Parking()

  constructor(options: DeliveriesOptions) {
    this.#options = options
  }

  /** What an earlier owner left. */
  resume(parked: readonly Delivery[]): void {
    for (const delivery of parked) {
      this.#parking.add(delivery)
      this.#enqueue(delivery)
    }
  }

  /** Resolves once the delivery's fate can't be lost any more: taken, parked or set aside. Pends for ever once stopped. */
  add(delivery: Delivery): Promise<void> {
    if (this.#known.has(nameOf(delivery))) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    delivery.settle = resolve
    delivery.impatience = setTimeout(() => this.#parkMeanwhile(delivery), IMPATIENT_MS)
    this.#enqueue(delivery)
    return promise
  }

  /** Ends the attempts under way; what is not settled comes again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    for (const { queue } of this.#lanes.values()) for (const { impatience } of queue) clearTimeout(impatience)
    await Promise.all(Array.from(this.#lanes.values(), ({ done }) => done))
  }

  #enqueue(delivery: Delivery): void {
    this.#known.add(nameOf(delivery))
    const key = laneOf(delivery)
    const lane = this.#lanes.get(key)
    if (lane === undefined) {
      const queue = [delivery]
      this.#lanes.set(key, { queue, done: this.#drive(key, queue) })
      return
    }
    lane.queue.push(delivery)
    this.#parkMeanwhile(delivery)
  }

  /** Never rejects. */
  async #drive(key: string, queue: Delivery[]): Promise<void> {
    await Promise.resolve()
    try {
      for (let head = queue[0]; head; head = queue[0]) {
        for (await head.parking; !isOver(head); await head.parking) await this.#step(head)
        clearTimeout(head.impatience)
        queue.shift()
        this.#known.delete(nameOf(head))
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error
    }
    this.#lanes.delete(key)
  }

  /** Brings the head of a lane one step further. @throws when stopped */
  async #step(head: Delivery): Promise<void> {
    this.#stop.signal.throwIfAborted()
    const receiver = this.#options.receivers.get(receiverOf(head))
    if (this.#isOverdue(head)) return this.#end(head, { kind: 'dead', reason: 'it waited for too long' })
    if (!head.isParked && !receiver.breaker.isClosed) return this.#park(head)
    if (head.isParked) await this.#wait(Math.max(head.nextMs - Date.now(), receiver.breaker.waitMs))
    const silence = await this.#persist(() => this.#options.silencedBy(head))
    if (silence !== undefined) return this.#hold(head, silence)
    using slot = await receiver.slots.take(1, head.over.signal).catch(() => undefined)
    this.#stop.signal.throwIfAborted()
    if (slot === undefined) return
    if (head.isParked ? receiver.breaker.enter() : receiver.breaker.isClosed) await this.#try(head, receiver)
  }

  async #hold(head: Delivery, silence: string): Promise<void> {
    await this.#calm(head)
    if (!isOver(head)) await this.#end(head, { kind: 'silenced', reason: silence })
  }

  async #try(head: Delivery, { breaker }: ReceiverState): Promise<void> {
    const outcome = await this.#options.attempt(head)
    await this.#calm(head)
    if (isOver(head)) return
    head.attempts++
    breaker.note(outcome.kind !== 'retry')
    if (outcome.kind === 'sent') return this.#finish(head)
    if (outcome.kind === 'refused') return this.#end(head, { kind: 'dead', reason: outcome.reason })
    if (head.attempts >= this.#options.retry.attempts)
      return this.#end(head, { kind: 'dead', reason: `${outcome.reason}, after ${head.attempts} attempts` })
    const { backoffMs: baseMs, longestBackoffMs: mostMs } = this.#options.retry
    head.nextMs = Date.now() + Math.max(backoffMs(head.attempts, { baseMs, mostMs }), outcome.afterMs ?? 0)
    await this.#park(head)
  }

  #isOverdue({ firstMs }: Delivery): boolean {
    return Date.now() - firstMs > this.#options.retry.longestMs
  }

  /** Its fate is about to be decided: no parking begins any more, and one under way is waited for. */
  async #calm(delivery: Delivery): Promise<void> {
    clearTimeout(delivery.impatience)
    await delivery.parking
  }

  #parkMeanwhile(delivery: Delivery): void {
    if (!delivery.isParked) delivery.parking = this.#park(delivery).catch(() => undefined)
  }

  /** Writes or renews the record; sets the delivery aside when too many wait already. @throws when stopped */
  async #park(delivery: Delivery): Promise<void> {
    clearTimeout(delivery.impatience)
    const reason = delivery.isParked ? undefined : this.#parking.full(delivery)
    if (reason === undefined) return this.#record(delivery)
    await this.#end(delivery, { kind: 'dead', reason })
  }

  async #record(delivery: Delivery): Promise<void> {
    if (!delivery.isParked) this.#parking.add(delivery)
    delivery.isParked = true
    await this.#persist(() => this.#options.park(delivery))
    delivery.settle()
  }

  async #end(delivery: Delivery, given: Given): Promise<void> {
    clearTimeout(delivery.impatience)
    await this.#persist(() => this.#options.setAside(delivery, given))
    await this.#finish(delivery)
  }

  async #finish(delivery: Delivery): Promise<void> {
    if (delivery.isParked) {
      await this.#persist(() => this.#options.unpark(delivery))
      this.#parking.remove(delivery)
    }
    delivery.over.abort()
    delivery.settle()
  }

  /** Repeats `work` until it succeeds: NATS comes back. @throws when stopped */
  async #persist<T>(work: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      this.#stop.signal.throwIfAborted()
      try {
        return await work()
      } catch (error) {
        this.#options.log[failures === 1 ? 'warn' : 'debug'](`a notification waits: ${messageOf(error)}`)
        await this.#wait(backoffMs(failures))
      }
    }
  }

  async #wait(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#stop.signal })
  }
}

const nameOf = ({ seq, index }: Delivery): string => `${seq}.${index}`

const receiverOf = ({ transition, receiver }: Delivery): string => receiverKey(transition.namespace, receiver.url)

const isOver = ({ over }: Delivery): boolean => over.signal.aborted
