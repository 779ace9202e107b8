/** The outlet that makes a row of each transition. All lanes share one sink. */
import type { Outlet } from '../outbox/worker.ts'
import type { RowSink } from './sink.ts'

export const historyOutlet = (sink: Pick<RowSink, 'add'>): Outlet => ({
  take: async ({ transition, done }) => sink.add({ transition, done }),
  [Symbol.asyncDispose]: async () => undefined,
})
