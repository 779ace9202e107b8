/** A transition as a row of the alerts' table, in line protocol. */
import { ALERT_COLUMNS } from '@fleetloom/shared/alerts/alerts-table'
import type { Transition } from '@fleetloom/shared/alerts/transition'

const SYMBOLS = ['namespace', 'fleet', 'rule', 'device', 'from', 'to', 'cause', 'severity'] as const

/** What the table is to have, so that a missing column counts as the operator's work and not as the row's fault. */
export const COLUMNS = ALERT_COLUMNS.map(([name]) => name)

const symbol = (text: string): string => text.replace(/[\\,= ]/g, '\\$&')
const string = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`
const timestamp = (micros: number): string => `${micros}t`

const fieldsOf = (one: Transition): Record<string, string | undefined> => ({
  value: one.value !== undefined && Number.isFinite(one.value) ? String(one.value) : undefined,
  id: string(one.id),
  rule_uid: string(one.ruleUid),
  firing_since: one.firingSinceMicros === undefined ? undefined : timestamp(one.firingSinceMicros),
  labels: string(JSON.stringify(one.labels)),
  annotations: string(JSON.stringify(one.annotations)),
})

/** One line, with its line break. JSON leaves no line break in a text, and names hold none. */
export const rowOf = (table: string, one: Transition): string => {
  const symbols = SYMBOLS.map((name) => `,${name}=${symbol(one[name])}`).join('')
  const fields = Object.entries(fieldsOf(one)).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${value}`,
  )
  return `${symbol(table)}${symbols} ${fields.join(',')} ${BigInt(one.atMicros) * 1000n}\n`
}
