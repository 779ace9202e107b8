import assert from 'node:assert/strict'
import type { RuleDocument } from '../../../alerts/rule-document.ts'
import type { FleetDocument } from '../../../pipeline/fleet-document.ts'
import { ShardEngine } from '../engine.ts'
import type { Ports } from '../ports.ts'
import { bodyOf, type EventRow, eventsBody, fleetDocument, ports } from './builders.ts'

/** Second 0 of a story, ms since the epoch. */
export const START = 1_700_000_000_000
export const WARM = { need: { fn: 'last', measurement: 'temperature' }, over: 8 } as const
export const OFFLINE = { need: { fn: 'offline' }, is: true } as const

/** An engine and what it is told, in seconds from the start. */
export class Story {
  readonly engine: ShardEngine
  #digest = 0

  constructor(rules: readonly RuleDocument[], fleet: FleetDocument = fleetDocument(), given: Ports = ports) {
    this.engine = new ShardEngine(fleet, { ports: given, shard: 0, eventsTable: 'cold_events' })
    this.engine.setDevice('r-1', { labels: { cargo: 'vaccine' } })
    for (const rule of rules) assert.equal(this.engine.setRule(rule), undefined)
  }

  reading(second: number, temperature: number, { device = 'r-1', storedAt = second } = {}): void {
    const micros = (START + second * 1000) * 1000
    const row = { device, micros, digest: ++this.#digest, values: { temperature } }
    this.engine.take({ body: bodyOf([row]), storedMs: START + storedAt * 1000 })
  }

  mark(second: number): void {
    const ms = START + second * 1000
    this.engine.take({ body: new Uint8Array(0), storedMs: ms, progress: { session: 0, ms } })
  }

  marks(from: number, to: number): void {
    for (let second = from; second <= to; second++) this.mark(second)
  }

  events(events: readonly (Omit<EventRow, 'micros'> & { readonly second: number })[], storedAt: number): void {
    const rows = events.map(({ second, ...event }) => ({ ...event, micros: (START + second * 1000) * 1000 }))
    this.engine.takeEvents({ body: eventsBody(rows), storedMs: START + storedAt * 1000 })
  }

  /** The transitions since the last call: rule, device, change, second of the device's time, and the cause if it is another. */
  told(): string[] {
    return this.engine.drain().map(({ rule, device, from, to, atMicros, cause }) => {
      const second = (atMicros - START * 1000) / 1e6
      return [rule, device, `${from}>${to}`, second, ...(cause === 'condition' ? [] : [cause])].join(' ')
    })
  }
}
