/**
 * An account's ACL as the rules of its user record in EMQX's built-in authorization source, and back. Pure.
 *
 * The first rule that matches decides, and what none matches is denied further on. The record begins with a rule that
 * does nothing but name the installation: EMQX keeps no other data of a user that it would give back. Then come denials
 * that close the hole of topic-filter.ts, then what is allowed. Names are literal: a placeholder would be filled in raw.
 *
 * Where the hole can't be closed by naming what slips through (`+/+`), the rule allows the literal filter alone, so a
 * narrower one is refused. Only ingest has such filters, and it subscribes exactly them.
 *
 * EMQX authorises `$share/GROUP/FILTER` as FILTER. The group stands in a rule of its own, which matches nothing that EMQX
 * asks about, so that the ACL reads back as it was given.
 */
import type { Acl } from '../broker.ts'
import { covers, filterFault, holeOf, withoutGroup } from './topic-filter.ts'

export type Rule = {
  readonly topic: string
  readonly permission: 'allow' | 'deny'
  readonly action: 'publish' | 'subscribe' | 'all'
  /** EMQX gives these back always; left out they mean any. */
  readonly qos?: readonly number[] | undefined
  readonly retain?: boolean | 'all' | undefined
}

const EQ = 'eq '

/** Ownership mark of an installation. */
export const markOf = (installation: string): string => `fleetloom:${installation}`

const markRule = (mark: string): Rule => ({ topic: `${EQ}${mark}`, permission: 'deny', action: 'all' })

/** Says that rights are being taken away and live subscriptions may not have been ended yet. */
const revokingRule = (mark: string): Rule => markRule(`${mark}:revoking`)

const unique = <T>(all: readonly T[]): T[] => [...new Set(all)]

const holesOf = (filters: readonly string[]): string[] =>
  unique(
    filters.flatMap((filter) => (holeOf(filter).kind === 'one' ? [(holeOf(filter) as { filter: string }).filter] : [])),
  ).filter((hole) => !filters.some((filter) => covers(filter, hole)))

const allow = (action: 'publish' | 'subscribe', topic: string): Rule => ({ topic, permission: 'allow', action })

const subscribeRules = (filter: string): Rule[] => {
  const inner = withoutGroup(filter)
  const group = inner === filter ? [] : [allow('subscribe', `${EQ}${filter}`)]
  return [...group, allow('subscribe', holeOf(inner).kind === 'many' ? `${EQ}${inner}` : inner)]
}

/** The rules of an account. With `revoking`, the same rights and the note that a revocation is not finished. */
export const rulesOf = ({ publish, subscribe }: Acl, mark: string, revoking = false): Rule[] => [
  markRule(mark),
  ...(revoking ? [revokingRule(mark)] : []),
  ...holesOf(subscribe.map(withoutGroup)).map(
    (hole): Rule => ({ topic: `${EQ}${hole}`, permission: 'deny', action: 'subscribe' }),
  ),
  ...publish.map((filter) => allow('publish', filter)),
  ...subscribe.flatMap(subscribeRules),
]

/** Why an ACL can't be written as rules, naming the filter; undefined when it can. */
export const aclFault = ({ publish, subscribe }: Acl): string | undefined => {
  const shared = publish.find((filter) => withoutGroup(filter) !== filter)
  if (shared !== undefined) return `publish ${JSON.stringify(shared)}: nobody publishes to a shared subscription`
  for (const [what, filters] of Object.entries({ publish, subscribe }))
    for (const filter of filters) {
      const fault = filterFault(filter)
      if (fault !== undefined) return `${what} ${JSON.stringify(filter.slice(0, 200))} ${fault}`
    }
  return undefined
}

/** Everything of a rule that decides, in one form. */
const textOf = ({ topic, permission, action, qos = [0, 1, 2], retain = 'all' }: Rule): string =>
  JSON.stringify([topic, permission, action, [...qos].sort(), retain])

export const sameRules = (a: readonly Rule[], b: readonly Rule[]): boolean =>
  a.length === b.length && a.every((rule, i) => textOf(rule) === textOf(b[i] as Rule))

/** Whether a record bears our mark. */
export const isMarked = ([first]: readonly Rule[], mark: string): boolean =>
  first !== undefined && textOf(first) === textOf(markRule(mark))

/** Whether a revocation was begun and may not have been finished. */
export const isRevoking = ([, second]: readonly Rule[], mark: string): boolean =>
  second !== undefined && textOf(second) === textOf(revokingRule(mark))

/** The filter that a rule of subscribeRules stands for; undefined for the second of a pair. */
const filterOfRule = ({ topic }: Rule, i: number, rules: readonly Rule[]): string[] => {
  const before = rules[i - 1]?.topic
  if (before?.startsWith(`${EQ}$share/`)) return []
  return [topic.startsWith(EQ) ? topic.slice(EQ.length) : topic]
}

const allowed = (rules: readonly Rule[], action: Rule['action']): Rule[] =>
  rules.filter((rule) => rule.permission === 'allow' && rule.action === action)

/**
 * The ACL that a marked record grants. One that was changed by hand, or a revocation that was not finished, shows as an
 * entry that no wanted ACL holds.
 */
export const aclOfRules = (rules: readonly Rule[], mark: string): Acl => {
  const publish = allowed(rules, 'publish').map(({ topic }) => topic)
  const subscribe = allowed(rules, 'subscribe').flatMap(filterOfRule)
  const acl = { publish, subscribe }
  if (isRevoking(rules, mark)) return { publish, subscribe: [...subscribe, '!revocation not finished'] }
  return sameRules(rules, rulesOf(acl, mark)) ? acl : { publish, subscribe: [...subscribe, '!rules changed by hand'] }
}

/** Whether some right of `have` is not in `want`. */
export const takesAway = (have: Acl, want: Acl): boolean =>
  have.subscribe.some((filter) => !isSubscribable(filter, want)) ||
  have.publish.some((filter) => !want.publish.some((right) => covers(right, filter)))

/** Whether an ACL lets a live subscription be. */
export const isSubscribable = (filter: string, { subscribe }: Acl): boolean =>
  subscribe.some((right) => covers(withoutGroup(right), withoutGroup(filter)))
