/** A transition as a row of the alerts' table, in line protocol. */
import type { Transition } from '@fleetloom/shared/alerts/transition'

/** Columns that hold a symbol, in the order of the row. */
const SYMBOLS = ['namespace', 'fleet', 'rule', 'device', 'from', 'to', 'cause', 'severity'] as const

/** Columns of the alerts' table beside the time. The rows' key is (ts, namespace, rule, device, to). */
export const ALERT_COLUMNS = [...SYMBOLS, 'value', 'id'] as const

const symbol = (text: string): string => text.replace(/[\\,= ]/g, '\\$&')

/** One line, with its line break. Names of the transition hold no control characters. */
export const rowOf = (table: string, one: Transition): string => {
  const symbols = SYMBOLS.map((name) => `,${name}=${symbol(one[name])}`).join('')
  const value = one.value === undefined || !Number.isFinite(one.value) ? '' : `value=${one.value},`
  return `${symbol(table)}${symbols} ${value}id="${one.id}" ${BigInt(one.atMicros) * 1000n}\n`
}
