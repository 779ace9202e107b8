/**
 * What the operator tells the alerter about one rule: the value under `rule.<ns>.<name>` in the pipeline bucket. Readers ignore
 * fields they do not know and keep the last good document when the major version is unknown.
 */
import { SELECTOR_OPERATORS, SEVERITIES } from '@fleetloom/crds/alert-rule'
import { z } from 'zod'
import { type Parsed, parseDocument } from '../pipeline/parse-document.ts'

export const RULE_DOCUMENT_MAJOR = 1

/** A secret under the platform key: AES-256-GCM, base64url; the id says under which key. */
export const sealed = z.object({ keyId: z.string(), nonce: z.string(), text: z.string() })

/** Who hears of an alert. */
export const receiver = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('alertmanager') }),
  z.object({ kind: z.literal('webhook'), url: z.string(), secret: sealed.optional() }),
  /** `{namespace}` and `{fleet}` of the topic are filled in; `{device}` remains. */
  z.object({ kind: z.literal('mqtt'), topic: z.string() }),
])

export const selector = z.object({
  matchLabels: z.record(z.string(), z.string()),
  matchExpressions: z.array(
    z.object({ key: z.string(), operator: z.enum(SELECTOR_OPERATORS), values: z.array(z.string()) }),
  ),
})

export const ruleDocument = z.object({
  version: z.string(),
  installation: z.string(),
  namespace: z.string(),
  name: z.string(),
  /** UID of the resource: alerts are this rule's, and not those of one of the same name before it. */
  uid: z.string(),
  generation: z.number().int(),
  /** `Removing`: the rule is being deleted and its alerts end. A document that vanishes without having said so was lost, and comes back. */
  phase: z.enum(['Active', 'Removing']).default('Active'),
  /** Name of the fleet, in the rule's namespace. */
  fleet: z.string(),
  suspend: z.boolean(),
  selector,
  /** CEL, checked by the operator against the fleet's measurements. */
  when: z.string(),
  clearWhen: z.string().optional(),
  forMs: z.number(),
  /** Readings in a row that `when` must hold for. */
  forReadings: z.number().int(),
  keepFiringForMs: z.number(),
  severity: z.enum(SEVERITIES),
  labels: z.record(z.string(), z.string()),
  annotations: z.record(z.string(), z.string()),
  notify: z.array(receiver),
})

export type RuleDocument = z.infer<typeof ruleDocument>
export type Receiver = z.infer<typeof receiver>
export type Selector = z.infer<typeof selector>
export type Sealed = z.infer<typeof sealed>

/** The document in `bytes`, or why it can't be used. Never throws. */
export const parseRuleDocument = (bytes: Uint8Array): Parsed<RuleDocument> =>
  parseDocument(bytes, ruleDocument, RULE_DOCUMENT_MAJOR)
