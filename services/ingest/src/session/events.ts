import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { headers } from '@nats-io/nats-core'
import type { Account } from '../batch/budget.ts'
import type { Lane } from '../batch/lane.ts'
import { payloadBytes, topicText } from '../decode/message.ts'
import type { Ticket } from '../mqtt/ack-window.ts'
import type { Frame } from '../mqtt/frame.ts'
import { deviceText } from './letters.ts'

/** Stores events, one message each: the payload as it came, and in the headers where it came from and when. */
export class Events {
  readonly #lane: Lane
  readonly #account: Account
  readonly #settled: () => void

  constructor(options: { readonly lane: Lane; readonly account: Account; readonly settled: () => void }) {
    this.#lane = options.lane
    this.#account = options.account
    this.#settled = options.settled
  }

  send(document: FleetDocument, frame: Frame): Ticket {
    const ticket: Ticket = { done: false }
    const body = Buffer.from(payloadBytes(frame))
    const h = headers()
    h.set('Fleetloom-Uid', document.uid)
    h.set('Fleetloom-Generation', String(document.generation))
    h.set('Fleetloom-Device', deviceText(frame))
    h.set('Fleetloom-Topic', encodeURIComponent(topicText(frame)))
    h.set('Fleetloom-Arrival', String(Math.floor(frame.arrivalMicros / 1000)))
    this.#account.add(body.length)
    this.#lane.push({
      subject: document.stream.eventsSubject,
      body,
      headers: h,
      onStored: () => {
        this.#account.remove(body.length)
        ticket.done = true
        this.#settled()
      },
    })
    return ticket
  }
}
