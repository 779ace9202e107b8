/**
 * MQTT topic filters as EMQX judges them. Pure.
 *
 * EMQX holds a subscribed filter against a rule's filter as if the first were a topic, level by level: the rule's `+`
 * takes any level, so a `#` too, and the rule's `#` takes the rest, also none. A rule that ends in `+`, or in `+/#`,
 * therefore lets through filters whose `#` stands where that `+` is: `t/+` allows `t/#`, `+/+` allows `+/#` and `a/#`,
 * `t/+/#` allows `t/#`.
 */

const SHARED = /^\$share\/[^/+#]+\/(.+)$/s
const FORBIDDEN = /\p{Cc}|\$\{|^eq /u
const MAX_BYTES = 1_024

/** What EMQX authorises in place of `$share/GROUP/FILTER`. */
export const withoutGroup = (filter: string): string => SHARED.exec(filter)?.[1] ?? filter

const isDollar = (levels: readonly string[]): boolean => levels[0]?.startsWith('$') === true

const isLevel = (level: string, i: number, { length }: readonly string[]): boolean =>
  level === '+' || (level === '#' && i === length - 1) || !/[+#]/.test(level)

/**
 * Why a filter of an ACL can't be written as a rule; undefined when it can. Placeholders and the prefix `eq ` mean something to
 * EMQX, and it checks no filter itself.
 */
export const filterFault = (filter: string): string | undefined => {
  const inner = withoutGroup(filter)
  if (inner === '' || Buffer.byteLength(filter) > MAX_BYTES) return `must have 1 to ${MAX_BYTES} bytes`
  if (FORBIDDEN.test(filter) || FORBIDDEN.test(inner))
    return 'must not hold control characters or ${, nor begin with "eq "'
  const levels = inner.split('/')
  if (isDollar(levels)) return 'must not begin with $'
  return levels.every(isLevel) ? undefined : "'+' must be a whole level, '#' the whole last level"
}

/** Whether every level of `levels` falls under `rule`, `accepts` deciding what a `+` of the rule takes. */
const falls = (levels: readonly string[], rule: readonly string[], accepts: (level: string) => boolean): boolean => {
  if (isDollar(levels) && (rule[0] === '+' || rule[0] === '#')) return false
  const isOpen = rule.at(-1) === '#'
  const fixed = isOpen ? rule.slice(0, -1) : rule
  if (isOpen ? levels.length < fixed.length : levels.length !== fixed.length) return false
  return fixed.every((want, i) => (want === '+' ? accepts(levels[i] as string) : want === levels[i]))
}

/** Whether EMQX lets a topic or filter through a rule's filter, its hole included. */
export const emqxMatches = (topicOrFilter: string, rule: string): boolean =>
  falls(topicOrFilter.split('/'), rule.split('/'), () => true)

/** Whether `filter` matches no topic that `rule` does not match, as MQTT means it. */
export const covers = (rule: string, filter: string): boolean =>
  falls(filter.split('/'), rule.split('/'), (level) => level !== '#')

/** How a rule with this filter must be written to let through no `#` in place of its last `+`. */
export type Hole =
  | { readonly kind: 'none' }
  /** Exactly this filter slips through. */
  | { readonly kind: 'one'; readonly filter: string }
  /** Others slip through, without number: an earlier `+` stands for any level. */
  | { readonly kind: 'many' }

export const holeOf = (filter: string): Hole => {
  const levels = filter.split('/')
  const end = levels.at(-1) === '#' ? levels.length - 1 : levels.length
  if (levels[end - 1] !== '+') return { kind: 'none' }
  const before = levels.slice(0, end - 1)
  return before.includes('+') ? { kind: 'many' } : { kind: 'one', filter: [...before, '#'].join('/') }
}
