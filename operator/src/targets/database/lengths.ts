/**
 * Lengths of time as QuestDB keeps them. It stores a TTL in the largest unit that divides it, and months and years as such: a
 * TTL must be a whole number of partitions, so a table partitioned by month has one in months.
 */
import type { ViewPartition } from './sql.ts'

const HOURS: Readonly<Record<string, number>> = { HOUR: 1, DAY: 24, WEEK: 168 }
const MONTHS: Readonly<Record<string, number>> = { MONTH: 1, YEAR: 12 }
const HOURS_A_DAY = 24
const DAYS_A_YEAR = 365
const SHORTEST_MONTH_DAYS = 28

/** A length as `<n>h` or `<n>mo`, so that equal ones have equal text. */
export const lengthOf = (value: number, unit: string | null): string => {
  const inHours = HOURS[unit ?? '']
  if (inHours !== undefined) return `${value * inHours}h`
  return `${value * (MONTHS[unit ?? ''] ?? 0)}mo`
}

/** Views with steps of an hour and more that are kept for years get few large partitions. */
export const viewPartition = (everyMs: number, ttlHours: number): ViewPartition =>
  everyMs >= 3_600_000 && ttlHours >= DAYS_A_YEAR * HOURS_A_DAY ? 'MONTH' : 'DAY'

const monthsFor = (ttlHours: number): number => {
  const days = Math.ceil(ttlHours / HOURS_A_DAY)
  return days % DAYS_A_YEAR === 0 ? (days / DAYS_A_YEAR) * 12 : Math.ceil(days / SHORTEST_MONTH_DAYS)
}

/** The TTL of a view of this partition: what was asked for, or the next longer that fits. As SQL and as `lengthOf` gives it. */
export const viewTtl = (ttlHours: number, partitionBy: string): { readonly sql: string; readonly length: string } => {
  if (partitionBy === 'MONTH') {
    const months = monthsFor(ttlHours)
    return { sql: `${months} MONTHS`, length: `${months}mo` }
  }
  const hours = Math.ceil(ttlHours / HOURS_A_DAY) * HOURS_A_DAY
  return { sql: `${hours} HOURS`, length: `${hours}h` }
}
