/**
 * Reading a rollup over all of its generations. A schema change or a repair starts a new generation of the view and leaves the
 * older ones for their history: the newest has the say, an older one only before the first step of every newer one. So
 * what is read is in order of time, and no step comes twice. Pure.
 */
import { namesOf, type Ref, type RollupFold, rollupColumn } from '@fleetloom/crds/names'

export type RollupGeneration = {
  readonly view: string
  readonly generation: number
  /** Columns of the view, as `table_columns(view)` gives them. */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
}

/** The generation behind a view's name; undefined when it is not one of this rollup. */
export const generationOf = (installation: string, fleet: Ref, every: string, view: string): number | undefined => {
  const first = namesOf(installation).rollup(fleet, every)
  if (view === first) return 1
  const suffix = view.startsWith(`${first}_g`) ? view.slice(first.length + 2) : ''
  return /^[1-9][0-9]{0,3}$/.test(suffix) ? Number(suffix) : undefined
}

export type RollupSelection = readonly { readonly measurement: string; readonly fold: RollupFold }[]

/** Later than any step: what an empty generation begins with. */
const NEVER = '4000000000000000L::timestamp'

const quoted = (name: string): string => `"${name.replaceAll('"', '')}"`

const before = ({ view }: RollupGeneration): string => `ts < (SELECT coalesce(min(ts), ${NEVER}) FROM ${quoted(view)})`

type Union = {
  readonly generations: readonly RollupGeneration[]
  readonly select: RollupSelection
  /** Conditions on ts and device, put to each generation so that it reads no more than it must. */
  readonly where?: readonly string[]
}

/** A column that a generation lacks is null there, of the type it has in another. */
const columnSql = (
  name: string,
  { columns }: RollupGeneration,
  all: readonly RollupGeneration[],
): string | undefined => {
  if (columns.some((column) => column.name === name)) return quoted(name)
  const type = all.flatMap((one) => one.columns).find((column) => column.name === name)?.type
  return type === undefined ? undefined : `cast(null as ${type}) ${quoted(name)}`
}

/**
 * SQL that gives `ts`, `device` and the selected columns (named by `rollupColumn`) in order of time, with `ts` as designated
 * timestamp. Columns that no generation has are left out. Give only generations that were refreshed at least once.
 * @throws RangeError without a generation.
 */
export const rollupUnion = ({ generations, select, where = [] }: Union): string => {
  if (generations.length === 0) throw new RangeError('a rollup has at least one generation')
  const newestFirst = [...generations].sort((a, b) => b.generation - a.generation)
  const names = select.map(({ measurement, fold }) => rollupColumn(measurement, fold))
  const parts = newestFirst.map((generation, i) => {
    const columns = names.flatMap((name) => columnSql(name, generation, newestFirst) ?? [])
    const conditions = [...where, ...newestFirst.slice(0, i).map(before)]
    const filter = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
    return `SELECT ${['ts', 'device', ...columns].join(', ')} FROM ${quoted(generation.view)}${filter}`
  })
  return `(${parts.reverse().join(' UNION ALL ')}) TIMESTAMP(ts)`
}
