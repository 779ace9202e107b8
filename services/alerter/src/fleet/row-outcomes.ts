/** Tells what became of rows, from counts that only grow. */
import type { RowCounts } from '@fleetloom/shared/rules/engine/shard'
import type { FleetMetrics, RowOutcome } from '../metrics.ts'

const NOTHING: RowCounts = { rows: 0, unreadable: 0, unknown: 0, future: 0, late: 0, repeated: 0, early: 0 }
const OUTCOMES = ['early', 'late', 'future', 'repeated', 'unknown', 'unreadable'] as const

type Outcomes = Readonly<Record<RowOutcome, number>>

/** Each row once. Lines that are no rows are not among `rows`. */
const outcomesOf = ({ rows, ...counts }: Readonly<RowCounts>): Outcomes => {
  const { early, late, future, repeated, unknown } = counts
  return { ...counts, taken: rows - early - late - future - repeated - unknown }
}

export class RowOutcomes {
  readonly #metrics: Pick<FleetMetrics, 'read'>
  #before: Outcomes = outcomesOf(NOTHING)

  constructor(metrics: Pick<FleetMetrics, 'read'>) {
    this.#metrics = metrics
  }

  tell(counts: Readonly<RowCounts>): void {
    const now = outcomesOf(counts)
    for (const outcome of ['taken', ...OUTCOMES] as const) {
      const more = now[outcome] - this.#before[outcome]
      if (more > 0) this.#metrics.read(outcome, more)
    }
    this.#before = now
  }
}
