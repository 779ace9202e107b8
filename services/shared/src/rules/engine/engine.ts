/**
 * The engine of alert rules: from the messages of one shard's stream to the transitions of its alerts. It is a function of what it was
 * given, in the order it was given: it reads no clock, and a replay from a snapshot gives the same transitions with the same ids.
 *
 * For each message (`take`):
 *
 * 1. *Mark.* A progress mark moves the shard's clock (`shard-clock.ts`). The devices that the wheel holds for that time are woken
 *    (`judge.ts`): rows that waited long enough are used, instants passed in silence are judged, and silence itself.
 * 2. *Row.* Each row is read from the bytes (`rows.ts`) and finds its device (`device-table.ts`). It is heard (`presence.ts`); late rows
 *    and repeats are counted and left; the others are used at once or, where lateness is allowed, in order of time (`intake.ts`).
 * 3. *History.* A row is used at its device's time: first what time alone did since the last row (`settle`), then its values
 *    go into the pieces of history that rules need, each kept once whoever needs it (`history.ts`; windows in `windows.ts`).
 * 4. *Judgement.* Each rule that reads one of its columns is judged, and its state moves (`alert-states.ts`, `board.ts`).
 * 5. *Transition.* A change of state becomes a transition with an id made of rule, device, state and time (`emit.ts`).
 *
 * Memory is bounded by devices × what rules need. The caller drains after each message.
 */

import type { RuleDocument } from '../../alerts/rule-document.ts'
import type { AlertCause, Transition } from '../../alerts/transition.ts'
import type { FleetDocument } from '../../pipeline/fleet-document.ts'
import { escapeName } from '../../rows/line-protocol.ts'
import type { Adopted } from './alert-states.ts'
import { EVENT_COLUMNS, takeEvent } from './event-intake.ts'
import { takeRow } from './intake.ts'
import { wake } from './judge.ts'
import type { Labels, Ports } from './ports.ts'
import { RecentKeys } from './recent-keys.ts'
import { adopt, recompile, releaseAdopted, removeDevice, removeRule, setDevice, setRule } from './roster.ts'
import { Rows } from './rows.ts'
import { indexRules, makeShard, type PresenceChange, type RowCounts, type Shard } from './shard.ts'
import type { Progress } from './shard-clock.ts'
import { loadSnapshot } from './snapshot.ts'
import { SnapshotCopy } from './snapshot-copy.ts'

export type Message = {
  /** Rows of line protocol; may be empty. */
  readonly body: Uint8Array
  /** JetStream time of the message, ms since the epoch. */
  readonly storedMs: number
  /** The progress mark it carries. */
  readonly progress?: Progress
}

export type RuleCounts = {
  readonly uid: string
  readonly generation: number
  readonly firing: number
  readonly pending: number
  /** Event time of the last judgement, µs; 0 for never. */
  readonly lastEvaluatedMicros: number
  /** Why the rule is unhealthy, or can't be judged. */
  readonly message: string | undefined
}

export type ShardOptions = {
  readonly ports: Ports
  /** Number of the shard: events of other shards' devices are passed over. */
  readonly shard: number
  /** Table of the namespace's events, as it stands in line protocol. */
  readonly eventsTable: string
}

export class ShardEngine {
  readonly #options: ShardOptions
  readonly #shard: Shard
  readonly #recent = new RecentKeys()
  readonly #events: Rows
  #rows: Rows

  constructor(fleet: FleetDocument, options: ShardOptions) {
    this.#options = options
    this.#shard = makeShard(options.ports, fleet)
    this.#events = new Rows(escapeName(options.eventsTable), EVENT_COLUMNS)
    this.#rows = this.#open(fleet)
  }

  /** Takes over the fleet's document; rules whose measurements are gone are judged no more until they are back. */
  setFleet(fleet: FleetDocument): void {
    const shard = this.#told()
    const before = shard.fleet
    shard.fleet = fleet
    const isSame = JSON.stringify(before.measurements) === JSON.stringify(fleet.measurements)
    if (!isSame || before.table !== fleet.table) this.#rows = this.#open(fleet)
    else shard.clock.expect(fleet.sessions)
    if (isSame) indexRules(shard)
    else recompile(shard)
  }

  /** Ends all alerts: the fleet is gone. */
  removeFleet(): void {
    for (const { document } of this.#shard.rules) this.removeRule(document.uid, 'fleet-removed')
  }

  /**
   * Adds or changes a rule, known by its uid. What fires goes on firing and is judged anew; what is pending is dropped. Returns why it
   * can't be judged; then what fires stays as it is until it can.
   */
  setRule(document: RuleDocument): string | undefined {
    if (!document.suspend) return setRule(this.#told(), document)
    removeRule(this.#told(), document.uid, 'rule-changed')
    return undefined
  }

  removeRule(uid: string, cause: AlertCause = 'rule-removed'): void {
    removeRule(this.#told(), uid, cause)
  }

  /** Adds a device of this shard or changes its labels. Rows of others are passed over. */
  setDevice(id: string, { labels }: { readonly labels: Labels }): void {
    setDevice(this.#told(), id, labels)
  }

  removeDevice(id: string): void {
    removeDevice(this.#told(), id, 'device-removed')
  }

  /**
   * Takes over an alert that fires by what an earlier life has told, of which no snapshot is left. It is judged once it is released.
   * False where there is no such rule, or it does not watch the device.
   */
  adopt(uid: string, id: string, alert: Adopted): boolean {
    return adopt(this.#told(), { uid, id }, alert)
  }

  /** Everything that was kept was read again: what was adopted is judged from now on. Gives how many alerts that is. */
  releaseAdopted(): number {
    return releaseAdopted(this.#told())
  }

  /** Takes a message of the shard's telemetry: its mark, then its rows. */
  take({ body, storedMs, progress }: Message): void {
    if (progress) this.#mark(progress)
    const [rows, shard] = [this.#rows, this.#shard]
    rows.open(body)
    while (rows.next()) takeRow(shard, rows, storedMs)
    shard.counts.unreadable += rows.unreadable
    rows.unreadable = 0
  }

  /** Takes a message of the fleet's events, of all shards. */
  takeEvents({ body, storedMs, progress }: Message): void {
    if (progress) this.#mark(progress)
    const [rows, shard] = [this.#events, this.#shard]
    rows.open(body)
    while (rows.next()) takeEvent(shard, rows, { storedMs, recent: this.#recent, shard: this.#options.shard })
    shard.counts.unreadable += rows.unreadable
    rows.unreadable = 0
  }

  /** The transitions since the last call, in the order in which they were found. */
  drain(): Transition[] {
    return this.#shard.transitions.splice(0)
  }

  /** Devices that went offline or came back since the last call. */
  drainPresence(): PresenceChange[] {
    return this.#shard.presence.splice(0)
  }

  counts(): RuleCounts[] {
    return this.#shard.rules.map(({ document: { uid, generation }, states, lastEvaluatedMicros, health }) => ({
      ...{ uid, generation, firing: states.firing, pending: states.pending, lastEvaluatedMicros },
      message: health.message,
    }))
  }

  /** What became of the rows since the engine was made. */
  get rowCounts(): Readonly<RowCounts> {
    return this.#shard.counts
  }

  get online(): number {
    return this.#shard.online
  }

  /** Registered devices of the shard. */
  get known(): number {
    return this.#shard.devices.table.size
  }

  /** JetStream time of the last message with a row of this device, ms; undefined for never. */
  lastSeenMs(id: string): number | undefined {
    const { devices } = this.#shard
    return devices.seenMs.get(devices.table.findId(id)) || undefined
  }

  /** Whether this device was heard within the fleet's time; undefined for one that is not known. */
  isOnline(id: string): boolean | undefined {
    const { devices } = this.#shard
    const device = devices.table.findId(id)
    return device < 0 ? undefined : devices.online.get(device) === 1
  }

  /** Everything that the stream has made of the engine, in chunks of at most 512 KiB; later messages do not change them. */
  snapshot(): readonly Uint8Array[] {
    const copy = this.beginSnapshot()
    for (;;) {
      const chunks = copy.step()
      if (chunks) return chunks
    }
  }

  /**
   * The same as it is now, to be copied in steps of less than a millisecond while the engine goes on. One that was begun before and is not
   * whole yet is given up.
   */
  beginSnapshot(): SnapshotCopy {
    return new SnapshotCopy(this.#shard, this.#recent)
  }

  /**
   * Goes on from a snapshot. Fleet, rules and devices are to be set before; alerts of rules and devices that are gone are resolved. False
   * when it can't be used: of another fleet, or of another version.
   */
  restore(chunks: Iterable<Uint8Array>): boolean {
    return loadSnapshot(this.#told(), this.#recent, chunks)
  }

  /** Bytes of history and states, about. */
  get bytes(): number {
    const { history, devices, board, rules } = this.#shard
    return history.bytes + devices.bytes + board.bytes + rules.reduce((sum, { states }) => sum + states.bytes, 0)
  }

  /** For a change that comes from outside: what is being copied is to be without it. */
  #told(): Shard {
    this.#shard.copy?.finish()
    return this.#shard
  }

  #open(fleet: FleetDocument): Rows {
    const { history, clock } = this.#shard
    const columns = fleet.measurements.map(({ name, type }) => ({
      name,
      isText: type === 'Symbol' || type === 'String',
    }))
    history.setMeasurements(fleet.measurements)
    clock.expect(fleet.sessions)
    return new Rows(escapeName(fleet.table), columns)
  }

  #mark(progress: Progress): void {
    const shard = this.#shard
    if (!shard.clock.take(progress)) return
    for (const device of shard.wheel.take(shard.clock.elapsed)) wake(shard, device)
  }
}
