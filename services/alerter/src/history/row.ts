/** A transition as a row of the alerts' table, in line protocol. */
import { ALERT_COLUMNS } from '@fleetloom/shared/alerts/alerts-table'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { escapeName, quotedText } from '@fleetloom/shared/rows/line-protocol'

const SYMBOLS = ['namespace', 'fleet', 'rule', 'device', 'from', 'to', 'cause', 'severity'] as const

/** What the table is to have, so that a missing column counts as the operator's work and not as the row's fault. */
export const COLUMNS = ALERT_COLUMNS.map(([name]) => name)

const timestamp = (micros: number): string => `${micros}t`

const fieldsOf = (one: Transition): Record<string, string | undefined> => ({
  value: one.value !== undefined && Number.isFinite(one.value) ? String(one.value) : undefined,
  id: quotedText(one.id),
  rule_uid: quotedText(one.ruleUid),
  firing_since: one.firingSinceMicros === undefined ? undefined : timestamp(one.firingSinceMicros),
  labels: quotedText(JSON.stringify(one.labels)),
  annotations: quotedText(JSON.stringify(one.annotations)),
})

/** One line, with its line break. */
export const rowOf = (table: string, one: Transition): string => {
  const symbols = SYMBOLS.map((name) => `,${name}=${escapeName(one[name])}`).join('')
  const fields = Object.entries(fieldsOf(one)).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${value}`,
  )
  return `${escapeName(table)}${symbols} ${fields.join(',')} ${BigInt(one.atMicros) * 1000n}\n`
}
