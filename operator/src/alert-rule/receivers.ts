/**
 * Who hears of a rule's alerts, as its document says it: topics filled in, secrets read and sealed. A webhook whose secret can't be
 * read is left out rather than told without a signature; the others are told.
 */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import { fillFleet } from '@fleetloom/crds/topics'
import type { Receiver, Sealed } from '@fleetloom/shared/alerts/rule-document'
import { isSealOf, ruleContext, type SealKeys, seal } from '@fleetloom/shared/alerts/seal'
import type { SecretReader } from '../source/secrets.ts'
import type { Metadata } from '../source/source.ts'

type Notify = AlertRuleSpec['notify'][number]
type Webhook = NonNullable<Notify['webhook']>

export type Receivers = {
  readonly notify: readonly Receiver[]
  /** Why webhooks were left out, and what to do. */
  readonly faults: readonly string[]
}

export type Sealing = { readonly keys: SealKeys; readonly secrets: SecretReader }

type Rule = {
  readonly metadata: Pick<Metadata, 'namespace' | 'uid'>
  readonly spec: Pick<AlertRuleSpec, 'fleet' | 'notify'>
}

const sealsOf = (before: readonly Receiver[]): readonly Sealed[] =>
  before.flatMap((receiver) => (receiver.kind === 'webhook' && receiver.secret ? [receiver.secret] : []))

/** A nonce is fresh each time, so what holds this very secret already is kept: an unchanged rule has an unchanged document. */
const sealedAs = (keys: SealKeys, value: Buffer, context: string, before: readonly Sealed[]): Sealed =>
  before.find((sealed) => isSealOf(keys, sealed, value, context)) ?? seal(keys, value, context)

/** Without path and query, which may hold a token. */
const hostOf = (url: string): string => URL.parse(url)?.host ?? 'the webhook'

type One = { readonly receiver: Receiver } | { readonly fault: string }

const webhookOf = async (
  { url, secretRef }: Webhook,
  { metadata }: Rule,
  { keys, secrets }: Sealing,
  before: readonly Sealed[],
): Promise<One> => {
  if (secretRef === undefined) return { receiver: { kind: 'webhook', url } }
  const read = await secrets({ namespace: metadata.namespace, name: secretRef.name })
  if ('fault' in read) return { fault: `${read.fault} (until then ${hostOf(url)} hears of no alert)` }
  const secret = sealedAs(keys, read.value, ruleContext(metadata), before)
  return { receiver: { kind: 'webhook', url, secret } }
}

const receiverOf = async (notify: Notify, rule: Rule, sealing: Sealing, before: readonly Sealed[]): Promise<One> => {
  const { metadata, spec } = rule
  if (notify.webhook) return webhookOf(notify.webhook, rule, sealing, before)
  if (!notify.mqtt) return { receiver: { kind: 'alertmanager' } }
  const topic = fillFleet(notify.mqtt.topic, { namespace: metadata.namespace, name: spec.fleet })
  return { receiver: { kind: 'mqtt', topic } }
}

/** `before` are the receivers of the document as it stands. @throws where whoever keeps the secrets does not answer. */
export const receiversOf = async (rule: Rule, sealing: Sealing, before: readonly Receiver[]): Promise<Receivers> => {
  const seals = sealsOf(before)
  const all = await Promise.all(rule.spec.notify.map((notify) => receiverOf(notify, rule, sealing, seals)))
  return {
    notify: all.flatMap((one) => ('receiver' in one ? [one.receiver] : [])),
    faults: all.flatMap((one) => ('fault' in one ? [one.fault] : [])),
  }
}
