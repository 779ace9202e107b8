/** What the steps of the engine work on. */
import type { Transition } from '../../alerts/transition.ts'
import type { FleetDocument } from '../../pipeline/fleet-document.ts'
import { Board } from './board.ts'
import { Devices } from './devices.ts'
import { History } from './history.ts'
import { Moment } from './moment.ts'
import type { Ports } from './ports.ts'
import type { Rule } from './rule.ts'
import { ShardClock } from './shard-clock.ts'
import type { SnapshotCopy } from './snapshot-copy.ts'
import { Waiting } from './waiting.ts'
import { Wheel } from './wheel.ts'

/** How far behind a device's own time it is judged while nothing comes from it. */
export const SETTLE_MICROS = 5_000_000

/** What became of the rows that did not reach a rule, and of those that did so in a way of their own. */
export type RowCounts = {
  rows: number
  /** Lines that are no rows of the fleet's table. */
  unreadable: number
  /** Of devices that are not registered. */
  unknown: number
  /** Stamped further ahead of the stream's time than the fleet accepts. */
  future: number
  late: number
  repeated: number
  /** Released before their time because too many waited. */
  early: number
}

/** A device went offline or came back. */
export type PresenceChange = {
  readonly device: string
  readonly online: boolean
  /** The mark, or the JetStream time of the message, that tells it, ms. */
  readonly atMs: number
  readonly lastSeenMs: number
}

export type Shard = {
  readonly ports: Ports
  readonly devices: Devices
  readonly clock: ShardClock
  readonly moment: Moment
  readonly board: Board
  readonly history: History
  readonly wheel: Wheel
  readonly waiting: Waiting
  readonly counts: RowCounts
  readonly transitions: Transition[]
  readonly presence: PresenceChange[]
  fleet: FleetDocument
  rules: Rule[]
  /** Rules by the columns and by the types of events that wake them, and those that judge silence. */
  byColumn: Rule[][]
  byEvent: Map<string, Rule[]>
  bySilence: Rule[]
  /** The shortest silence that anything waits for, ms. */
  silenceMs: number
  online: number
  /** Number of rows used, by which rules tell whether they were judged for it. */
  stamp: number
  /** The snapshot that is being copied. */
  copy: SnapshotCopy | undefined
  /** What was touched ahead of its use, kept so that it is not optimised away. */
  fetched: number
}

export const lateMicros = ({ fleet }: Shard): number => fleet.payload.allowedLatenessMs * 1000

export const makeShard = (ports: Ports, fleet: FleetDocument): Shard => {
  const [devices, clock, moment] = [new Devices(), new ShardClock(), new Moment()]
  const offline = {
    since: (device: number) => clock.heardAt(devices.heard.get(device)),
    ms: () => shard.fleet.offlineAfterMs,
  }
  const shard: Shard = {
    ...{ ports, devices, clock, moment, fleet },
    history: new History({ moment, clock, detector: ports.detector, offline }),
    board: new Board(),
    wheel: new Wheel(),
    waiting: new Waiting(),
    counts: { rows: 0, unreadable: 0, unknown: 0, future: 0, late: 0, repeated: 0, early: 0 },
    transitions: [],
    presence: [],
    rules: [],
    byColumn: [],
    byEvent: new Map(),
    bySilence: [],
    silenceMs: fleet.offlineAfterMs,
    online: 0,
    stamp: 0,
    copy: undefined,
    fetched: 0,
  }
  return shard
}

/** Ties the rules to what wakes them. */
export const indexRules = (shard: Shard): void => {
  const { rules, fleet } = shard
  shard.byColumn = fleet.measurements.map((_, column) => rules.filter(({ bound }) => bound.columns.has(column)))
  const types = new Set(rules.flatMap(({ bound }) => [...bound.events]))
  shard.byEvent = new Map([...types].map((type) => [type, rules.filter(({ bound }) => bound.events.has(type))]))
  shard.bySilence = rules.filter(({ bound }) => bound.silences.length > 0)
  const silences = shard.bySilence.flatMap(({ bound }) => bound.silences.map(({ ms }) => ms()))
  shard.silenceMs = Math.min(fleet.offlineAfterMs, ...silences)
}
