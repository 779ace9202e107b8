/**
 * An ACL as the lines of a dynamic security role and back. A subscription needs two lines: one that allows the SUBSCRIBE
 * (`subscribePattern`, with `$share/group/` where it is shared) and one that allows the delivery (`publishClientReceive`,
 * on the filter inside). Everything else is denied by default.
 *
 * Lines of any other form are not ours: they come back as entries that start with `!`, so that an ACL edited by hand never
 * equals a wanted one.
 */
import type { Acl } from '../broker.ts'

export type AclLine = { readonly acltype: string; readonly topic: string; readonly allow: boolean }

const unique = (filters: readonly string[]): string[] => [...new Set(filters)].sort()

/** The filter that a message's topic is matched with: `$share/<group>/` taken off. */
const inner = (filter: string): string => (filter.startsWith('$share/') ? filter.split('/').slice(2).join('/') : filter)

const line =
  (acltype: string) =>
  (topic: string): AclLine => ({ acltype, topic, allow: true })

export const linesOf = ({ publish, subscribe }: Acl): AclLine[] => [
  ...unique(publish).map(line('publishClientSend')),
  ...unique(subscribe).map(line('subscribePattern')),
  ...unique(subscribe.map(inner)).map(line('publishClientReceive')),
]

/** Sorted, each entry once. */
export const aclOfLines = (lines: readonly AclLine[]): Acl => {
  const allowed = (type: string) => lines.filter((l) => l.acltype === type && l.allow).map((l) => l.topic)
  const receive = new Set(allowed('publishClientReceive'))
  const subscribe = allowed('subscribePattern').filter((filter) => receive.has(inner(filter)))
  const acl = { publish: unique(allowed('publishClientSend')), subscribe: unique(subscribe) }
  const ours = new Set(linesOf(acl).map(textOf))
  const odd = lines.map(textOf).filter((text) => !ours.has(text))
  return odd.length === 0 ? acl : { ...acl, subscribe: unique([...subscribe, ...odd.map((text) => `!${text}`)]) }
}

const textOf = ({ acltype, topic, allow }: AclLine): string => `${acltype} ${allow ? 'allow' : 'deny'} ${topic}`
