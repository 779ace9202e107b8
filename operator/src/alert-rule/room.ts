/** How many rules a fleet may have. Pure. */
import { label, type Ref } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import { MAX_RULES_PER_FLEET } from '@fleetloom/shared/pipeline/applied-document'
import { isReported, type Shards } from './reports.ts'

/** Words for a rule that finds its fleet full. */
export const fullText = (fleet: Ref): string =>
  `fleet ${label(fleet)} has ${MAX_RULES_PER_FLEET} rules, which is the most; remove one, or put two into one with ||`

/** Whether a fleet of so many other rules has no room for one more. */
export const isFull = (others: number): boolean => others >= MAX_RULES_PER_FLEET

type Documents = readonly Pick<RuleDocument, 'namespace' | 'name' | 'fleet'>[]

/** Whether there is no room for a rule: those that are published came first, and who is reported is in. */
export const hasNoRoom = (
  rule: Ref & { readonly uid: string },
  fleet: Ref,
  { published, shards }: { readonly published: Documents; readonly shards: Shards },
): boolean => {
  const isOther = (one: Documents[number]): boolean =>
    one.namespace === fleet.namespace && one.fleet === fleet.name && one.name !== rule.name
  return isFull(published.filter(isOther).length) && !isReported(shards, rule.uid)
}
