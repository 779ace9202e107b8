/**
 * Topic patterns: what a fleet's `topics` and `access` may say, and which of them meet.
 *
 * A pattern is a list of levels parted by `/`. A level is a literal or one whole placeholder: `{namespace}`, `{fleet}`,
 * `{device}` (exactly once) or `{measurement}` (telemetry only, at most once). `+` and `$` never appear, `#` only as the last
 * level of an access pattern. The first level is a literal: `fleets`, and then the pattern starts with
 * `fleets/{namespace}/{fleet}/` as written here, or the start of a prefix that was granted to the namespace. So no pattern can
 * name another namespace under `fleets/`, and a filter made from a pattern never reaches beyond the fleet's own topics.
 *
 * What a device may subscribe to has no `{measurement}`, so its rules never end in `+`: on EMQX such a rule lets `#` through.
 */
import { label, type Ref } from './names.ts'
import type { Rule } from './schema.ts'

/** What every pattern starts with that is not on a granted prefix. */
export const OWN_PREFIX = 'fleets/{namespace}/{fleet}/'

/** Where a device hears of its rejected messages; every fleet has it. */
export const ERRORS_PATTERN = `${OWN_PREFIX}{device}/errors`

/** First levels that no prefix may have: the fleets' own, and that of our services. */
export const RESERVED_ROOTS = ['fleets', 'fleetloom'] as const

export const MAX_LEVELS = 12
export const MAX_PATTERN_LENGTH = 200

const LITERAL = '[A-Za-z0-9_.:@~-]+'

/** A prefix that the platform team granted to a namespace; it ends in `/`. */
export type Grant = { readonly prefix: string; readonly namespace: string }

export class GrantError extends Error {
  override name = 'GrantError'
}

const isRoot = (level: string): boolean => (RESERVED_ROOTS as readonly string[]).includes(level)

const parseGrant = (text: string): Grant => {
  const [, prefix, root, namespace] =
    new RegExp(`^((${LITERAL})/(?:${LITERAL}/)*)=([a-z0-9][a-z0-9-]*)$`).exec(text) ?? []
  if (prefix === undefined || root === undefined || namespace === undefined)
    throw new GrantError(`shared prefix ${JSON.stringify(text)} is not PREFIX/=NAMESPACE, such as sensors/=coldchain`)
  if (isRoot(root)) throw new GrantError(`shared prefix ${JSON.stringify(text)}: ${root}/ can't be granted`)
  return { prefix, namespace }
}

/**
 * Grants from `--shared-prefix sensors/=coldchain`; several are joined by commas.
 * A prefix belongs to one namespace: inside another's, one tenant's device could publish as the other's.
 * @throws GrantError naming the part that is wrong.
 */
export const parseGrants = (text: string): readonly Grant[] => {
  const parts = text.split(',').map((part) => part.trim())
  const grants = parts.filter((part) => part !== '').map(parseGrant)
  for (const a of grants)
    for (const b of grants)
      if (a.namespace !== b.namespace && b.prefix.startsWith(a.prefix))
        throw new GrantError(
          `${b.prefix} of ${b.namespace} lies inside ${a.prefix}, which is granted to ${a.namespace}`,
        )
  return grants
}

/** Whether a namespace may use a valid pattern, as written in the spec: its own topics, or a prefix granted to it. */
export const isGranted = (pattern: string, namespace: string, grants: readonly Grant[]): boolean => {
  if (pattern.startsWith(OWN_PREFIX)) return true
  const topic = pattern.replaceAll('{namespace}', namespace)
  if (isRoot(topic.split('/', 1)[0] as string)) return false
  return grants.some((grant) => grant.namespace === namespace && topic.startsWith(grant.prefix))
}

/** A pattern with `{namespace}` and `{fleet}` filled in; `{device}` and `{measurement}` remain. */
export const fillFleet = (pattern: string, { namespace, name }: Ref): string =>
  pattern.replaceAll('{namespace}', namespace).replaceAll('{fleet}', name)

/** The narrowest MQTT filter that matches every topic of a pattern. */
export const filterOf = (pattern: string): string => pattern.replaceAll(/\{[a-z]+\}/g, '+')

/** Where in a pattern the device stands: index of the level; -1 when it does not. */
export const deviceLevel = (pattern: string): number => pattern.split('/').indexOf('{device}')

/** Whether two filters can match one topic. Neither begins with `$`, where MQTT has rules of its own. */
export const overlaps = (a: string, b: string): boolean => {
  const [left, right] = [a.split('/'), b.split('/')]
  const meets = (i: number): boolean => {
    const [x, y] = [left[i], right[i]]
    if (x === '#' || y === '#') return true
    if (x === undefined || y === undefined) return x === y
    return (x === y || x === '+' || y === '+') && meets(i + 1)
  }
  return meets(0)
}

/** The patterns of a fleet, of one direction or another. */
export type Patterns = {
  readonly topics: Readonly<Record<'telemetry' | 'events' | 'commands' | 'replies', readonly string[]>>
  readonly access: Readonly<Record<'publish' | 'subscribe', readonly string[]>>
}

/** Every pattern of a fleet as the spec writes it, the topic of its errors included. */
export const allPatterns = ({ topics, access }: Patterns): readonly string[] => [
  ...topics.telemetry,
  ...topics.events,
  ...topics.commands,
  ...topics.replies,
  ...access.publish,
  ...access.subscribe,
  ERRORS_PATTERN,
]

/** Patterns of a fleet that its namespace has not been granted. */
export const ungranted = (patterns: Patterns, namespace: string, grants: readonly Grant[]): readonly string[] =>
  allPatterns(patterns).filter((pattern) => !isGranted(pattern, namespace, grants))

/** Filters that a fleet claims for itself alone: two fleets whose claims overlap conflict. */
export const claimsOf = (patterns: Patterns, fleet: Ref): readonly string[] => [
  ...new Set(allPatterns(patterns).map((pattern) => filterOf(fillFleet(pattern, fleet)))),
]

/** Words for a refused pattern. */
export const notGranted = (pattern: string, fleet: Ref): string =>
  `${label(fleet)} asks for ${pattern}, which lies outside ${OWN_PREFIX} and outside the prefixes granted to namespace ${fleet.namespace}; ` +
  `use a topic under ${OWN_PREFIX} or have the platform team grant the prefix (--shared-prefix PREFIX/=${fleet.namespace}, sharedPrefixes of the chart)`

/** CEL rules of one pattern. */
export const patternRules = ({ measurement = false, hash = false }): readonly Rule[] => {
  const names = ['namespace', 'fleet', 'device', ...(measurement ? ['measurement'] : [])]
  const level = `^(\\\\{(${names.join('|')})\\\\}|${LITERAL}${hash ? '|#' : ''})$`
  return [
    {
      rule: `self.startsWith('${OWN_PREFIX}') || !(self.split('/')[0] in [${RESERVED_ROOTS.map((root) => `'${root}'`).join(', ')}])`,
      message: `must start with ${OWN_PREFIX} literally (placeholders, not the names), or with a prefix granted to the namespace, which never begins with ${RESERVED_ROOTS.map((root) => `${root}/`).join(' or ')}`,
    },
    {
      rule: `self.matches('^[A-Za-z0-9]')`,
      message: "must begin with a literal level: not with '$', '+', '#', '/' or a placeholder",
    },
    {
      rule: `self.split('/').exists_one(level, level == '{device}')`,
      message: 'must hold {device} exactly once, as a whole level: a device may touch only its own topics',
    },
    { rule: `!self.contains('+')`, message: "must not hold '+': write {device} where the device's id stands" },
    hash
      ? {
          rule: `!self.contains('#') || self.indexOf('#') == self.size() - 1`,
          message: "may hold '#' only as its last level",
        }
      : { rule: `!self.contains('#')`, message: "must not hold '#': name each level" },
    {
      rule: `self.split('/').all(level, level.matches('${level}'))`,
      message: `each level must be letters, digits and _.:@~- (no empty level, no '$') or one whole placeholder: ${names.map((name) => `{${name}}`).join(', ')}`,
    },
    ...(measurement
      ? [
          {
            rule: `self.split('/').filter(level, level == '{measurement}').size() <= 1`,
            message: 'must hold {measurement} at most once',
          },
        ]
      : []),
    { rule: `self.split('/').size() <= ${MAX_LEVELS}`, message: `must have at most ${MAX_LEVELS} levels` },
  ]
}

const INDEXES = `[${Array.from({ length: MAX_LEVELS }, (_, i) => i).join(', ')}]`

/** CEL: whether the patterns in the variables `a` and `b` can match one topic. A placeholder may stand for anything. */
const celOverlap = `(a.split('/').size() == b.split('/').size() || (a.endsWith('#') && b.split('/').size() >= a.split('/').size() - 1) || (b.endsWith('#') && a.split('/').size() >= b.split('/').size() - 1)) && ${INDEXES}.all(i, i >= a.split('/').size() || i >= b.split('/').size() || a.split('/')[i] == b.split('/')[i] || a.split('/')[i].matches('^[{#]') || b.split('/')[i].matches('^[{#]'))`

const celTopics = (of: string) =>
  `(${['telemetry', 'events', 'commands', 'replies'].map((list) => `${of}.${list}`).join(' + ')} + ['${ERRORS_PATTERN}'])`

/** On `topics`: a message can belong to one pattern only. */
export const disjointTopics: Rule = {
  rule: `${celTopics('self')}.all(a, ${celTopics('self')}.exists_one(b, ${celOverlap}))`,
  message: `two patterns can match one topic: telemetry, events, commands, replies and ${ERRORS_PATTERN} must all be apart; a {measurement} level matches any word, so give it a level of its own such as …/{device}/telemetry/{measurement}`,
}

/** On `spec`: where an access pattern meets another pattern, both have the device at the same level. */
export const sameDeviceLevel: Rule = {
  rule: `(self.access.publish + self.access.subscribe).all(a, (${celTopics('self.topics')} + self.access.publish + self.access.subscribe).all(b, !a.contains('{device}') || !b.contains('{device}') || !(${celOverlap}) || ${INDEXES}.exists(i, i < a.split('/').size() && i < b.split('/').size() && a.split('/')[i] == '{device}' && b.split('/')[i] == '{device}')))`,
  message:
    'an access pattern meets another pattern that has {device} at a different level, so one device could touch the topic of another; move {device} to the same level or change a literal level',
}
