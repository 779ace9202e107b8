/**
 * Whether a fleet's old topics are empty. Once no device may publish on them any more, what the broker still holds of them is
 * taken when ingest's progress mark (DESIGN.md guarantee 9: everything accepted before it stands in the stream) passes
 * that moment. The moment is kept in memory: after a restart it is later, so the wait is longer, never shorter.
 */
import { label, type Ref } from '@fleetloom/crds/names'
import { batchInfo } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { DeliverPolicy, type JetStreamClient } from '@nats-io/jetstream'

/** Clocks of broker, ingest and operator may differ by this much. */
const MARGIN_MS = 5_000
const MAX_READ = 10_000
const READ_MS = 2_000

export class DrainWatch {
  readonly #js: JetStreamClient
  readonly #now: () => number
  readonly #revoked = new Map<string, { readonly grants: string; readonly atMs: number }>()

  constructor(js: JetStreamClient, now: () => number) {
    this.#js = js
    this.#now = now
  }

  /** The devices' ACLs are those of this document. */
  aclsAreIn(document: FleetDocument): void {
    const grants = JSON.stringify(document.grants)
    if (this.#revoked.get(label(document))?.grants !== grants)
      this.#revoked.set(label(document), { grants, atMs: this.#now() })
  }

  forget(fleet: Ref): void {
    this.#revoked.delete(label(fleet))
  }

  async isDrained(document: FleetDocument): Promise<boolean> {
    const revoked = this.#revoked.get(label(document))
    if (revoked?.grants !== JSON.stringify(document.grants)) return false
    const sinceMs = revoked.atMs + MARGIN_MS
    return this.#now() > sinceMs && this.#areMarked(document, sinceMs)
  }

  /** Whether each shard has a mark later than `sinceMs`. Reads headers only, from that time on. */
  async #areMarked({ stream, uid }: FleetDocument, sinceMs: number): Promise<boolean> {
    const consumer = await this.#js.consumers.get(stream.name, {
      filter_subjects: [...stream.telemetrySubjects],
      deliver_policy: DeliverPolicy.StartTime,
      opt_start_time: new Date(sinceMs).toISOString(),
      headers_only: true,
    })
    const unmarked = new Set(stream.telemetrySubjects)
    try {
      for await (const message of await consumer.fetch({ max_messages: MAX_READ, expires: READ_MS })) {
        const info = batchInfo(message.headers)
        if (info?.uid === uid && (info.progressMs ?? 0) > sinceMs) unmarked.delete(message.subject)
        if (unmarked.size === 0 || message.info.pending === 0) break
      }
    } finally {
      await consumer.delete()
    }
    return unmarked.size === 0
  }
}
