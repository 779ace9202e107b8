/** Compares what the broker acknowledged with what the database holds, number by number. */
import type { LoadResult } from '@fleetloom/simulator/load/load'
import type { Sql } from '../kit/sql.ts'

export type Balance = {
  readonly acknowledged: number
  /** Different numbers in the table. */
  readonly found: number
  /** Acknowledged and not in the table. */
  readonly missing: readonly number[]
  /** In the table and never sent. */
  readonly invented: readonly number[]
  /** Rows beyond the first of their number. */
  readonly duplicates: number
}

const PAGE = 100_000

/** How often each number stands in `column` of `table`. */
const countsOf = async (sql: Sql, table: string, column: string): Promise<Map<number, number>> => {
  const counts = new Map<number, number>()
  for (let from = 0; ; from += PAGE) {
    const rows = await sql<{ n: number; c: number }>(
      `SELECT cast("${column}" AS LONG) n, count() c FROM "${table}" WHERE "${column}" != null GROUP BY n ORDER BY n LIMIT ${from}, ${from + PAGE}`,
    )
    for (const { n, c } of rows) counts.set(n, c)
    if (rows.length < PAGE) return counts
  }
}

/** `sent` is how many numbers, from 0, were handed to the broker. */
export const balanceOf = async (
  sql: Sql,
  { table, column }: { readonly table: string; readonly column: string },
  { acknowledgedNumbers, sent }: Pick<LoadResult, 'acknowledgedNumbers' | 'sent'>,
): Promise<Balance> => {
  const counts = await countsOf(sql, table, column)
  let duplicates = 0
  for (const count of counts.values()) duplicates += count - 1
  return {
    acknowledged: acknowledgedNumbers.size,
    found: counts.size,
    missing: [...acknowledgedNumbers.values()].filter((number) => !counts.has(number)),
    invented: [...counts.keys()].filter((number) => number < 0 || number >= sent),
    duplicates,
  }
}

/** One line for people: `acknowledged 20000, found 20000, missing 0, duplicate 0`. */
export const balanceLine = ({ acknowledged, found, missing, invented, duplicates }: Balance): string =>
  `acknowledged ${acknowledged}, found ${found}, missing ${missing.length}, duplicate ${duplicates}${invented.length > 0 ? `, invented ${invented.length}` : ''}`
