/**
 * A change of an alert: of one rule for one device. Published once on the alert stream, on a subject that ends in its id and is
 * expected to hold nothing yet, so the same transition, found again after a crash, is refused however late.
 *
 * It says all that history and receivers need, so that neither asks for a rule or a fleet that may be gone by then.
 */
import { createHash } from 'node:crypto'
import { SEVERITIES } from '@fleetloom/crds/alert-rule'
import type { Names } from '@fleetloom/crds/names'
import { z } from 'zod'
import { hash32 } from '../pipeline/shard.ts'
import { receiver } from './rule-document.ts'

export const ALERT_STATES = ['inactive', 'pending', 'firing', 'resolved'] as const

/** Why an alert ended: it cleared, or what it was about went away. */
export const ALERT_CAUSES = ['condition', 'rule-changed', 'rule-removed', 'device-removed', 'fleet-removed'] as const

/** Partitions of the alert stream. Each alert lives in one, and one replica at a time works on a partition. */
export const ALERT_PARTITIONS = 16

export const transition = z.object({
  version: z.string(),
  id: z.string(),
  installation: z.string(),
  namespace: z.string(),
  fleet: z.string(),
  rule: z.string(),
  ruleUid: z.string(),
  device: z.string(),
  from: z.enum(ALERT_STATES),
  /** `resolved` follows `firing`; `inactive` follows `pending`. */
  to: z.enum(ALERT_STATES),
  cause: z.enum(ALERT_CAUSES),
  /** Event time, µs since the epoch. */
  atMicros: z.number().int(),
  /** When the alert began to fire, µs; on `firing` and `resolved`. */
  firingSinceMicros: z.number().int().optional(),
  /** The first number that `when` reads, at that moment. */
  value: z.number().optional(),
  severity: z.enum(SEVERITIES),
  labels: z.record(z.string(), z.string()),
  /** With their placeholders filled in. */
  annotations: z.record(z.string(), z.string()),
  notify: z.array(receiver),
})

export type Transition = z.infer<typeof transition>
export type AlertState = (typeof ALERT_STATES)[number]
export type AlertCause = (typeof ALERT_CAUSES)[number]

type Identity = Pick<Transition, 'ruleUid' | 'device' | 'to' | 'atMicros'>

/** Id of a transition: the same transition gets the same one, whoever finds it and whenever. 32 hex digits. */
export const transitionId = ({ ruleUid, device, to, atMicros }: Identity): string =>
  createHash('sha256').update(`${ruleUid}\n${device}\n${to}\n${atMicros}`).digest('hex').slice(0, 32)

/** Partition of an alert, 0 ≤ p < ALERT_PARTITIONS. */
export const partitionOf = ({ ruleUid, device }: Pick<Transition, 'ruleUid' | 'device'>): number => {
  const bytes = new TextEncoder().encode(`${ruleUid}\n${device}`)
  return hash32(bytes, 0, bytes.length) % ALERT_PARTITIONS
}

/** Where a transition is published. */
export const subjectOf = (names: Names, one: Transition): string =>
  names.alertSubject(partitionOf(one), { namespace: one.namespace, name: one.rule }, one.device, one.id)
