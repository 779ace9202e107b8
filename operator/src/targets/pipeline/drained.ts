/**
 * Whether a fleet's old topics are empty. Once no device may publish on them any more, what the broker still holds of them is
 * taken when ingest's progress mark (DESIGN.md guarantee 9: everything accepted before it stands in the stream) passes
 * that moment, in each of the fleet's sessions, as each holds a share of every shard. The moment and what has been read since are
 * kept in memory: after a restart it is later, so the wait is longer, never shorter.
 */
import { label, type Ref } from '@fleetloom/crds/names'
import { batchInfo } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { DeliverPolicy, type JetStreamClient } from '@nats-io/jetstream'

/** Clocks of broker, ingest and operator may differ by this much. */
const MARGIN_MS = 5_000
const MAX_READ = 10_000
const READ_MS = 2_000

type Wait = {
  /** What the wait is for: another document's is another wait. */
  readonly key: string
  readonly sinceMs: number
  /** All before it has been read. */
  readMs: number
  /** Shards and sessions without a mark later than `sinceMs`. */
  readonly unmarked: Set<string>
}

const keyOf = ({ uid, grants, sessions, stream }: FleetDocument): string =>
  JSON.stringify([uid, grants, sessions, stream.telemetrySubjects])

const markOf = (subject: string, session: number): string => `${subject} ${session}`

export class DrainWatch {
  readonly #js: JetStreamClient
  readonly #now: () => number
  readonly #waits = new Map<string, Wait>()

  constructor(js: JetStreamClient, now: () => number) {
    this.#js = js
    this.#now = now
  }

  /** From now on some of the devices' ACLs may be those of this document. */
  aclsChange(document: FleetDocument): void {
    if (this.#waits.get(label(document))?.key !== keyOf(document)) this.forget(document)
  }

  /** All of the devices' ACLs are those of this document. */
  aclsAreIn(document: FleetDocument): void {
    const key = keyOf(document)
    if (this.#waits.get(label(document))?.key === key) return
    const { sessions, stream } = document
    const marks = stream.telemetrySubjects.flatMap((subject) =>
      Array.from({ length: sessions }, (_, session) => markOf(subject, session)),
    )
    const sinceMs = this.#now() + MARGIN_MS
    this.#waits.set(label(document), { key, sinceMs, readMs: sinceMs, unmarked: new Set(marks) })
  }

  forget(fleet: Ref): void {
    this.#waits.delete(label(fleet))
  }

  async isDrained(document: FleetDocument): Promise<boolean> {
    const wait = this.#waits.get(label(document))
    if (wait?.key !== keyOf(document) || this.#now() <= wait.sinceMs) return false
    if (wait.unmarked.size > 0) await this.#readOn(document, wait)
    return wait.unmarked.size === 0
  }

  /** Looks for marks in what has come to the stream since it was last read, headers only, `MAX_READ` messages a call. */
  async #readOn({ stream, uid }: FleetDocument, wait: Wait): Promise<void> {
    const consumer = await this.#js.consumers.get(stream.name, {
      filter_subjects: [...stream.telemetrySubjects],
      deliver_policy: DeliverPolicy.StartTime,
      opt_start_time: new Date(wait.readMs).toISOString(),
      headers_only: true,
    })
    try {
      for await (const message of await consumer.fetch({ max_messages: MAX_READ, expires: READ_MS })) {
        const batch = batchInfo(message.headers)
        if (batch?.uid === uid && (batch.progressMs ?? 0) > wait.sinceMs)
          wait.unmarked.delete(markOf(message.subject, batch.session ?? 0))
        wait.readMs = Math.max(wait.readMs, Math.floor(message.info.timestampNanos / 1e6))
        if (wait.unmarked.size === 0 || message.info.pending === 0) break
      }
    } finally {
      await consumer.delete()
    }
  }
}
