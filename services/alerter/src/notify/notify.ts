/** What happens to the transitions of one partition: the record of what fires, then the Alertmanagers and the webhooks. */
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { JetStreamApiError } from '@nats-io/jetstream'
import type { Item, Outlet } from '../outbox/worker.ts'
import { noteTransition } from './alert-records.ts'
import type { Deliveries } from './deliveries.ts'
import { deliveriesOf } from './delivery.ts'
import type { NotifyParts } from './parts.ts'
import type { Rounds } from './rounds.ts'
import { toldOf } from './told.ts'
import { suppress } from './unheard.ts'
import { openDeliveries } from './webhooks.ts'

/** How JetStream refuses what exceeds the bytes of a stream, of the server or of the account. */
const FULL: ReadonlySet<number> = new Set([10077, 10047, 10023, 10002])

/** Whether receivers hear of it: that an alert fires and that it no longer does, and not what it does before. */
export const isNotified = ({ to }: Transition): boolean => to === 'firing' || to === 'resolved'

export class NotifyOutlet implements Outlet {
  readonly #parts: NotifyParts
  readonly #rounds: Rounds
  readonly #deliveries: Deliveries

  constructor(parts: NotifyParts, rounds: Rounds, deliveries: Deliveries) {
    this.#parts = parts
    this.#rounds = rounds
    this.#deliveries = deliveries
  }

  async take({ transition: found, seq, done }: Item): Promise<void> {
    if (!isNotified(found)) return done()
    const transition = await toldOf(this.#parts, found)
    await this.#note(transition)
    await this.#tellAlertmanagers(transition)
    const deliveries = deliveriesOf(transition, seq, Date.now())
    void Promise.all(deliveries.map((one) => this.#deliveries.add(one))).then(done)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#deliveries[Symbol.asyncDispose]()
  }

  /** A bucket that is full, or a JetStream, must not keep anybody from hearing: the record is left out, and said so. */
  async #note(one: Transition): Promise<void> {
    try {
      await noteTransition(this.#parts.kv, one)
    } catch (error) {
      if (!(error instanceof JetStreamApiError && FULL.has(error.code))) throw error
      this.#parts.log.error(
        { id: one.id, rule: one.rule },
        'the bucket of the alerts is full: what fires is not recorded',
      )
      this.#parts.metrics.unrecorded()
    }
  }

  /** The record is what makes it certain that they hear of it: this is only to be quick. */
  async #tellAlertmanagers(one: Transition): Promise<void> {
    if (!one.notify.some(({ kind }) => kind === 'alertmanager')) return
    const silence = await this.#parts.silences.of(one)
    if (silence === undefined) return this.#rounds.tell(one)
    await suppress(this.#parts, one, { kind: 'alertmanager', receiver: '', silence: silence.id })
  }
}

/** Resolves once what waits in the partition has been taken up. */
export const openNotify = async (parts: NotifyParts, rounds: Rounds, partition: number): Promise<NotifyOutlet> =>
  new NotifyOutlet(parts, rounds, await openDeliveries(parts, partition))
