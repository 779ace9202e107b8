/**
 * What fires now, read from the records that the alerter keeps, in the order in which alerts began. A page may be short, even empty,
 * and not the last: `next` says.
 */
import {
  type Acknowledgement,
  type AlertRef,
  acknowledgement,
  firingSince,
  parseTransition,
  readRecords,
  recordFilter,
  recordKey,
} from '@fleetloom/shared/alerts/records'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { FiringQuery } from './schema.ts'

export type Firing = { readonly alert: Transition; readonly acknowledged: Acknowledgement | undefined }
export type FiringPage = { readonly alerts: readonly Firing[]; readonly next: number | undefined }

type Scope = '*' | readonly string[]
type Found = { readonly alert: Transition; readonly revision: number }

/** Pages of records that one page of a list reads at most. */
const SCAN_PAGES = 16

const isWanted = (one: Transition, scope: Scope, { fleet, severity, labelSelector }: FiringQuery): boolean =>
  (scope === '*' || scope.includes(one.namespace)) &&
  (fleet === undefined || one.fleet === fleet) &&
  (severity === undefined || one.severity === severity) &&
  (labelSelector === undefined || labelSelector(one.labels))

export class FiringAlerts {
  readonly #kv: KV
  readonly #jsm: JetStreamManager
  readonly #bucket: string

  constructor({ kv, jsm, bucket }: { readonly kv: KV; readonly jsm: JetStreamManager; readonly bucket: string }) {
    this.#kv = kv
    this.#jsm = jsm
    this.#bucket = bucket
  }

  async list(scope: Scope, query: FiringQuery): Promise<FiringPage> {
    const found: Found[] = []
    let next = query.continue ?? 1
    for (let page = 0; page < SCAN_PAGES; page++) {
      const { wanted, next: after } = await this.#page(scope, query, next)
      const taken = wanted.slice(0, query.limit - found.length)
      found.push(...taken)
      if (taken.length < wanted.length) return this.#shown(found, (found.at(-1)?.revision ?? 0) + 1)
      if (after === undefined) return this.#shown(found, undefined)
      next = after
      if (found.length >= query.limit) break
    }
    return this.#shown(found, next)
  }

  /** Undefined when it does not fire. */
  async get(ref: AlertRef): Promise<Firing | undefined> {
    const entry = await this.#kv.get(recordKey('firing', ref))
    const alert = entry?.operation === 'PUT' ? parseTransition(entry.value) : undefined
    return alert && { alert, acknowledged: await this.#acknowledged(alert) }
  }

  /** Holds for the alert as it fires now. */
  async acknowledge(alert: Transition, given: Omit<Acknowledgement, 'version' | 'firingSinceMicros'>): Promise<Firing> {
    const acknowledged = { version: '1.0', ...given, firingSinceMicros: firingSince(alert) }
    await this.#kv.put(recordKey('acknowledged', alert), JSON.stringify(acknowledged))
    return { alert, acknowledged }
  }

  async #page(scope: Scope, query: FiringQuery, from: number) {
    const { rule, device } = query
    const only = scope !== '*' && scope.length === 1 ? { namespace: scope[0] as string } : {}
    const part = { ...only, ...(rule !== undefined && { rule }), ...(device !== undefined && { device }) }
    const filter = recordFilter('firing', part)
    const { records, next } = await readRecords(this.#jsm, { bucket: this.#bucket, filter, from })
    const wanted = records.flatMap(({ value, revision }): Found[] => {
      const alert = parseTransition(value)
      return alert && isWanted(alert, scope, query) ? [{ alert, revision }] : []
    })
    return { wanted, next }
  }

  async #shown(found: readonly Found[], next: number | undefined): Promise<FiringPage> {
    const alerts = await Promise.all(
      found.map(async ({ alert }) => ({ alert, acknowledged: await this.#acknowledged(alert) })),
    )
    return { alerts, next }
  }

  async #acknowledged(alert: Transition): Promise<Acknowledgement | undefined> {
    const entry = await this.#kv.get(recordKey('acknowledged', alert))
    if (entry?.operation !== 'PUT') return undefined
    const { data } = acknowledgement.safeParse(entry.json())
    return data?.firingSinceMicros === firingSince(alert) ? data : undefined
  }
}
