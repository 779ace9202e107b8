/** Takes topics from a rule in force that it may not use any more: a grant was taken back, or a fleet has come to claim the topic. */
import { fillFleet, isGranted, OWN_PREFIX } from '@fleetloom/crds/topics'
import type { Receiver, RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import { messageOf } from '@fleetloom/shared/process/logger'
import { report } from '../loop/converge.ts'
import { alertFilters } from '../targets/broker/alerter-account.ts'
import { ownDocument } from '../targets/pipeline/documents.ts'
import type { RuleDeps, RuleFacts, RuleWork } from './facts.ts'
import { topicFaults } from './topics.ts'

type Judge = Pick<RuleDeps, 'grants' | 'conflict'>

/** Receivers of a document that are to go: its topics have namespace and fleet filled in. Pure. */
export const revoked = (
  document: Pick<RuleDocument, 'namespace' | 'fleet' | 'notify'>,
  { fleet }: Pick<RuleFacts, 'fleet'>,
  { grants, conflict }: Judge,
): readonly Receiver[] => {
  const { namespace, fleet: name } = document
  const own = fillFleet(OWN_PREFIX, { namespace, name })
  const around = { fleet: fleet?.metadata.name === name ? fleet.spec : undefined, conflict }
  return document.notify.filter((receiver) => {
    if (receiver.kind !== 'mqtt') return false
    const { topic } = receiver
    if (!topic.startsWith(own) && !isGranted(topic, namespace, grants)) return true
    return (
      topicFaults({ metadata: { namespace }, spec: { fleet: name, notify: [{ mqtt: { topic } }] } }, around).length > 0
    )
  })
}

/** The rule's document goes on without such receivers, and the account without their topics, whatever else is wrong with the rule. */
export const revokeTopics = async (deps: RuleDeps, work: RuleWork, facts: RuleFacts): Promise<void> => {
  const { documents, alerter } = deps
  const { metadata } = work.resource
  const before = documents.read(metadata)
  const own = ownDocument(before, metadata)
  const gone = own ? revoked(own, facts, deps) : []
  if (!own || gone.length === 0) return
  const next = { ...own, notify: own.notify.filter((receiver) => !gone.includes(receiver)) }
  await documents.write(next, before)
  alerter.announce(metadata, alertFilters(next))
  const topics = gone.flatMap((receiver) => (receiver.kind === 'mqtt' ? [receiver.topic] : []))
  const message = `no alert is published on ${topics.join(', ')} any more`
  await report(work, 'Accepted', 'pipeline', [{ reason: 'Updated', message, expected: true }])
  // A broker that is away is brought up to date at the next resync.
  await alerter
    .converge()
    .catch((error) => work.log.warn(`the right to ${topics.join(', ')} stays: ${messageOf(error)}`))
}
