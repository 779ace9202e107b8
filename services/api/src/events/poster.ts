/** Puts events that were posted to the API on their fleet's stream. */
import { label, type Ref } from '@fleetloom/crds/names'
import { batchHeaders } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { messageOf } from '@fleetloom/shared/process/logger'
import type { Registry } from '@fleetloom/shared/registry/registry'
import type { JetStreamClient } from '@nats-io/jetstream'
import type { MsgHdrs } from '@nats-io/nats-core'
import { Problem } from '../http/problem.ts'
import { type AcceptedEvent, acceptEvents, placeOf, refused } from './accept.ts'

type Parts = {
  readonly js: Pick<JetStreamClient, 'publish'>
  readonly registry: Pick<Registry, 'get'>
  /** ms since the epoch. */
  readonly now: () => number
}

const PUBLISH_MS = 5_000
const LOOK_UPS = 32

export class EventPoster {
  readonly #parts: Parts
  #arrivalMicros = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Resolves when the stream has them all. @throws Problem when one is bad; then none is stored. */
  async post(document: FleetDocument, body: Uint8Array): Promise<readonly AcceptedEvent[]> {
    const arrivalMicros = Math.max(this.#arrivalMicros + 1, this.#parts.now() * 1000)
    const { events, isList } = acceptEvents({ body, document, arrivalMicros })
    // Two events never share an arrival, so equal ones without a timestamp stay two rows.
    this.#arrivalMicros = Math.max(this.#arrivalMicros, arrivalMicros + events.length - 1)
    await this.#checkDevices(document, events, isList)
    await this.#publish(document, events)
    return events
  }

  async #checkDevices(fleet: Ref, events: readonly AcceptedEvent[], isList: boolean): Promise<void> {
    const absent = await this.#absentOf(fleet, [...new Set(events.map(({ device }) => device))])
    if (absent.size === 0) return
    throw refused(
      events.flatMap(({ device }, index) =>
        absent.has(device)
          ? [{ field: placeOf(isList, index, 'device'), value: device, reason: 'no device of this fleet' }]
          : [],
      ),
    )
  }

  async #absentOf({ namespace, name }: Ref, devices: readonly string[]): Promise<ReadonlySet<string>> {
    const absent = new Set<string>()
    for (let at = 0; at < devices.length; at += LOOK_UPS) {
      const some = devices.slice(at, at + LOOK_UPS)
      const entries = await Promise.all(some.map((device) => this.#parts.registry.get(namespace, device)))
      entries.forEach((entry, i) => void (entry?.record.fleet !== name && absent.add(some[i] as string)))
    }
    return absent
  }

  /** The stream may have taken what it did not answer for: sent again, events that carry their time are the same rows. */
  async #publish(fleet: FleetDocument, events: readonly AcceptedEvent[]): Promise<void> {
    const body = events.map(({ line }) => line).join('')
    const options = { headers: headersOf(fleet, events), timeout: PUBLISH_MS }
    try {
      await this.#parts.js.publish(fleet.stream.eventsSubject, body, options)
    } catch (error) {
      throw new Problem(
        'unavailable',
        `the stream of fleet ${label(fleet)} did not take the events: ${messageOf(error)}`,
        {
          next: 'Send the same again in a while; events with a timestamp are stored once.',
          retryAfterSeconds: 5,
        },
      )
    }
  }
}

const headersOf = ({ uid, generation }: FleetDocument, events: readonly AcceptedEvent[]): MsgHdrs => {
  const times = events.map(({ micros }) => micros)
  const [firstMicros, lastMicros] = [Math.min(...times), Math.max(...times)]
  return batchHeaders({ rows: events.length, firstMicros, lastMicros, uid, generation, traceLinks: [] })
}
