import type { Names } from '@fleetloom/crds/names'
import type { Sealed } from '@fleetloom/shared/alerts/rule-document'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { Nats } from '@fleetloom/shared/nats'
import type { Logger } from '@fleetloom/shared/process/logger'
import type { KV } from '@nats-io/kv'
import type { OutboxMetrics } from '../metrics.ts'
import type { RetrySettings } from './deliveries.ts'
import type { Letters } from './letters.ts'
import type { Receivers } from './receivers.ts'
import type { Silences } from './silences.ts'
import type { WebhookSettings } from './webhook.ts'

/** Opens a webhook's secret. @throws when no key fits. */
export type OpenSecret = (sealed: Sealed, one: Pick<Transition, 'namespace' | 'ruleUid'>) => Uint8Array

/** What the notifiers of one process share. */
export type NotifyParts = {
  readonly nats: Nats
  readonly names: Names
  /** The alerts' bucket. */
  readonly kv: KV
  readonly silences: Silences
  readonly receivers: Receivers
  readonly letters: Letters
  readonly openSecret: OpenSecret
  readonly webhook: WebhookSettings
  readonly retry: RetrySettings
  readonly metrics: OutboxMetrics
  readonly log: Logger
}
