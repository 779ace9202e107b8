/**
 * Removing a rule, each step confirmed before the next, each safe to repeat:
 *
 * 1. Its document says Removing: the alerter resolves what fires.
 * 2. Every shard of the alerter has said that it judges the rule no more, and subscribers over MQTT have heard of the ends. Nobody waits
 *    for that longer than a minute: an alerter that comes back later finds no document, and ends the alerts then.
 * 3. The document goes, and with it the right to publish on the rule's topics.
 */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import { report } from '../loop/converge.ts'
import { Waiting } from '../loop/errors.ts'
import type { RemovalStep } from '../loop/kind.ts'
import { alertFilters } from '../targets/broker/alerter-account.ts'
import { ownDocument } from '../targets/pipeline/documents.ts'
import { type RuleDeps, type RuleFacts, type RuleWork, shardsOf } from './facts.ts'
import { allHeard } from './heard.ts'
import { shardsJudging } from './reports.ts'

const LONGEST_MS = 60_000
const RETRY_MS = 1_000
/** Rules that are being removed by one process, at most; of those beyond the longest under way are not waited for any more. */
const MOST_BEGUN = 10_000

const ownOf = ({ documents }: RuleDeps, { resource: { metadata } }: RuleWork): RuleDocument | undefined =>
  ownDocument(documents.read(metadata), metadata)

/** Why the document is still needed; undefined when it is not. */
const neededFor = async (deps: RuleDeps, work: RuleWork, facts: RuleFacts): Promise<string | undefined> => {
  const { metadata } = work.resource
  const judging = shardsJudging(shardsOf(deps, facts), metadata.uid)
  if (judging.length > 0) return `the alerter still judges it (shard ${judging.join(', ')}); is the alerter running?`
  const document = ownOf(deps, work)
  const filters = [...(document ? alertFilters(document) : []), ...(deps.alerter.announced(metadata) ?? [])]
  const isHeard = filters.length === 0 || (await allHeard(deps, metadata))
  return isHeard ? undefined : 'subscribers over MQTT are still to hear that its alerts ended; is the alerter running?'
}

export const ruleRemoval = (deps: RuleDeps): readonly RemovalStep<AlertRuleSpec, RuleFacts>[] => {
  /** When the removal of a rule was begun by this process, by its UID. */
  const begun = new Map<string, number>()
  const isPatient = (uid: string): boolean => {
    const sinceMs = begun.get(uid) ?? deps.now()
    begun.set(uid, sinceMs)
    if (begun.size > MOST_BEGUN) begun.delete(begun.keys().next().value as string)
    return deps.now() - sinceMs < LONGEST_MS
  }
  return [
    {
      needs: ['nats'],
      run: async (work, facts) => {
        const document = ownOf(deps, work)
        if (!document) return
        await deps.documents.write({ ...document, phase: 'Removing' }, deps.documents.read(document))
        if (!isPatient(document.uid)) return
        const reason = await neededFor(deps, work, facts)
        if (reason !== undefined) throw new Waiting('Draining', reason, RETRY_MS)
      },
    },
    {
      needs: ['nats'],
      run: async (work) => {
        const { metadata } = work.resource
        if (!ownOf(deps, work)) return
        await deps.documents.remove(metadata)
        begun.delete(metadata.uid)
        await report(work, 'Ready', 'pipeline', [{ reason: 'Removed', message: 'the document', expected: true }])
      },
    },
    {
      needs: ['broker'],
      run: async ({ resource: { metadata } }) => {
        deps.alerter.withdraw(metadata)
        await deps.alerter.converge()
      },
    },
  ]
}
