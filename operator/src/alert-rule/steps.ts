/**
 * The steps that make a rule so:
 *
 * 1. Accepted: its topics are granted and no fleet's, its expressions can be judged for its fleet, and there is that fleet, with room for it.
 * 2. BrokerReady: the alerter may publish on its topics, and on those that it left while alerts fired.
 * 3. PipelineReady: its document, with the secrets of its receivers sealed, is out, and every shard of the alerter judges it.
 * 4. PipelineReady again: what alerts leave behind is kept.
 * 5. Accepted again: receivers whose secret can't be read, or whose topic finds no room, are told, after the rule is in force without them.
 *
 * A rule that stops being accepted leaves its last good document in force, but for topics that it may not use any more. A broker that is
 * away holds nothing back but the MQTT messages themselves.
 */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import { label } from '@fleetloom/crds/names'
import { fillFleet, isGranted, notGranted } from '@fleetloom/crds/topics'
import { compileRule } from '@fleetloom/shared/alerts/compile-rule'
import { report } from '../loop/converge.ts'
import { Stalling, Waiting } from '../loop/errors.ts'
import type { Step } from '../loop/kind.ts'
import { notRefused } from '../source/not-refused.ts'
import type { Metadata } from '../source/source.ts'
import { alertFilter, crowdedText } from '../targets/broker/alert-topics.ts'
import { differenceOf, ownDocument } from '../targets/pipeline/documents.ts'
import { faultText } from './check.ts'
import { fleetOf, type RuleDeps, type RuleFacts, type RuleWork, shardsOf } from './facts.ts'
import { endFilters } from './heard.ts'
import { Patience } from './patience.ts'
import { receiversOf } from './receivers.ts'
import { faultOf, type Shards, shardsBehind } from './reports.ts'
import { revokeTopics } from './revoke.ts'
import { fullText, hasNoRoom } from './room.ts'
import { sizeFaults } from './size.ts'
import { topicFaults } from './topics.ts'

export type RuleStep = Step<AlertRuleSpec, RuleFacts>

/** The alerter reports at once when it judges a generation, and the report triggers the next look; this is for a lost report. */
const ALERTER_RETRY_MS = 10_000
const FIRST_RETRY_MS = 2_000
/** How long the right to a topic that a rule has left may outlive its use. */
const LEAVING_RETRY_MS = 60_000

const topicsOf = ({ notify }: Pick<AlertRuleSpec, 'notify'>): readonly string[] =>
  notify.flatMap(({ mqtt }) => (mqtt ? [mqtt.topic] : []))

const checkRoom = (deps: RuleDeps, { resource }: RuleWork, facts: RuleFacts): void => {
  const fleet = fleetOf(resource)
  const state = { published: deps.documents.all(), shards: shardsOf(deps, facts) }
  if (hasNoRoom(resource.metadata, fleet, state)) throw new Stalling('TooManyRules', fullText(fleet))
}

const accepted = (deps: RuleDeps): RuleStep => ({
  condition: 'Accepted',
  after: [],
  run: async (work, facts) => {
    const { grants, check, conflict } = deps
    const [{ resource }, { fleet }] = [work, facts]
    const { metadata, spec } = resource
    await revokeTopics(deps, work, facts)
    const foreign = topicsOf(spec).find((topic) => !isGranted(topic, metadata.namespace, grants))
    if (foreign !== undefined) throw new Stalling('TopicNotGranted', notGranted(foreign, metadata))
    const taken = topicFaults(resource, { fleet: fleet?.spec, conflict })
    if (taken.length > 0) throw new Stalling('TopicConflict', faultText(taken))
    const faults = [...sizeFaults(spec), ...check(spec, fleet?.spec)]
    if (faults.length > 0) throw new Stalling('InvalidExpression', faultText(faults))
    if (!fleet)
      throw new Stalling('FleetNotFound', `there is no fleet ${label(fleetOf(resource))} yet; the rule waits for it`)
    checkRoom(deps, work, facts)
    return undefined
  },
})

/**
 * Filters that the rule names no more and that the ends of its alerts go to: those that it had, until every shard judges what it says
 * now; then those that alerts fired with. Looked up only while there are some, and once after the start of this process.
 */
const leaving = async (deps: RuleDeps, { resource }: RuleWork, facts: RuleFacts): Promise<readonly string[]> => {
  const { metadata } = resource
  const before = deps.alerter.announced(metadata)
  const wanted = new Set(filtersOf(resource))
  const isOver = before?.every((filter) => wanted.has(filter))
  if (isOver) return []
  const isJudged = shardsBehind(shardsOf(deps, facts), metadata).length === 0
  const found = before && !isJudged ? before : await endFilters(deps, metadata)
  return found.filter((filter) => !wanted.has(filter) && isUsable(filter, metadata.namespace, deps))
}

/** A filter of the account names the namespace, and any of its fleets. */
const isUsable = (filter: string, namespace: string, { grants }: RuleDeps): boolean =>
  filter.startsWith(`fleets/${namespace}/`) || isGranted(filter, namespace, grants)

const filtersOf = (resource: RuleWork['resource']): readonly string[] =>
  topicsOf(resource.spec).map((topic) => alertFilter(fillFleet(topic, fleetOf(resource))))

const account = (deps: RuleDeps): RuleStep => ({
  condition: 'BrokerReady',
  after: ['Accepted'],
  run: async (work, facts) => {
    const { alerter } = deps
    const left = await leaving(deps, work, facts)
    facts.crowded = alerter.announce(work.resource.metadata, filtersOf(work.resource), left)
    // The account is that of all rules: what changes about it is another rule's doing as often as not.
    const changes = (await alerter.converge()).map((change) => ({ ...change, expected: true }))
    await report(work, 'BrokerReady', 'broker', changes)
    return left.length > 0 ? { againMs: LEAVING_RETRY_MS } : undefined
  },
})

/** Brings the document about; true when it was not there as it is wanted. */
const publish = async (deps: RuleDeps, work: RuleWork, facts: RuleFacts): Promise<boolean> => {
  const { documents, names } = deps
  const { resource } = work
  const before = documents.read(resource.metadata)
  const own = ownDocument(before, resource.metadata)
  const { notify, faults } = await receiversOf(resource, deps, own?.notify ?? [])
  facts.unreadable = faults
  const heard = notify.filter((one) => one.kind !== 'mqtt' || !facts.crowded.includes(alertFilter(one.topic)))
  const want = compileRule(resource, heard, names)
  const after = await documents.write(want, before)
  if (after === before) return false
  const difference = differenceOf(own, want)
  // Secrets are read anew at each look: that one was changed, granted or sealed anew is no drift.
  const expected = difference === 'notify' || (own !== undefined && own.generation !== want.generation)
  await report(work, 'PipelineReady', 'pipeline', [
    { reason: own ? 'Updated' : 'Created', message: difference, expected },
  ])
  return true
}

const SUSPENDED = 'spec.suspend is true: the rule is not judged, and its alerts resolve'

type Waited = { readonly patience: Patience; readonly isNew: boolean }

/** @throws Waiting until every shard judges the rule, Stalling where one can't. */
const judged = (shards: Shards, rule: Metadata, { patience, isNew }: Waited): undefined => {
  const { uid, generation } = rule
  const behind = shardsBehind(shards, rule)
  if (behind.length > 0) {
    const told = patience.waits(rule)
    const words = `the alerter does not judge generation ${generation} yet (shard ${behind.join(', ')}); is the alerter running?`
    const retryMs = told === 'all' ? ALERTER_RETRY_MS : FIRST_RETRY_MS
    throw new Waiting('WaitingForAlerter', words, retryMs, isNew ? 'nothing' : told)
  }
  patience.ends(rule)
  const fault = faultOf(shards, uid)
  if (fault !== undefined) throw new Stalling('Failed', `the alerter can't judge it: ${fault}`)
}

const pipeline = (deps: RuleDeps): RuleStep => {
  const patience = new Patience(deps.now)
  return {
    condition: 'PipelineReady',
    after: ['Accepted'],
    run: async (work, facts) => {
      const { metadata, spec } = work.resource
      const isNew = await publish(deps, work, facts)
      if (spec.suspend) throw new Stalling('Suspended', SUSPENDED)
      return judged(shardsOf(deps, facts), metadata, { patience, isNew })
    },
  }
}

/** A fault of the platform's, told where whoever misses the history looks first. */
const kept = ({ history }: RuleDeps): RuleStep => ({
  condition: 'PipelineReady',
  after: [],
  run: async () => {
    if (history.fault !== undefined) throw new Stalling('HistoryNotReady', history.fault)
    return undefined
  },
})

const allHear = (): RuleStep => ({
  condition: 'Accepted',
  after: [],
  run: async ({ resource: { metadata } }, { unreadable, crowded }) => {
    if (crowded.length > 0) throw new Stalling('TooManyTopics', crowdedText(crowded, metadata.namespace))
    if (unreadable.length > 0) throw new Stalling('SecretNotReadable', unreadable.join('; '))
    return undefined
  },
})

/** In the order in which they run. */
export const ruleSteps = (deps: RuleDeps): readonly RuleStep[] => [
  ...[accepted, account, pipeline, kept, allHear].map((step) => step(deps)),
  notRefused(deps),
]
