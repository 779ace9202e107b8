import { type Ref, ruleOfKey } from '@fleetloom/crds/names'
import type { KV } from '@nats-io/kv'
import { type Following, followBucket } from '../pipeline/follow-bucket.ts'
import type { Logger } from '../process/logger.ts'
import { parseRuleDocument, type RuleDocument } from './rule-document.ts'

/**
 * Follows the rules' documents. `onRule` is called for each current one before this resolves and then on each change; a document
 * that can't be read is logged and the last good one stays in force.
 */
export const followRules = (options: {
  readonly kv: KV
  readonly log: Logger
  readonly onRule: (document: RuleDocument) => void
  readonly onGone: (rule: Ref) => void
}): Promise<Following> =>
  followBucket({
    kv: options.kv,
    log: options.log,
    onPut: (key, value, revision) => {
      if (!ruleOfKey(key)) return
      const parsed = parseRuleDocument(value)
      if ('ok' in parsed) options.onRule(parsed.ok)
      else options.log.error({ key, revision }, `unreadable rule document, the last good one stays: ${parsed.error}`)
    },
    onDelete: (key) => {
      const rule = ruleOfKey(key)
      if (rule) options.onGone(rule)
    },
  })
