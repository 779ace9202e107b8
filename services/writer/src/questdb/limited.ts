import type { Bounded } from '@fleetloom/shared/bounded'
import type { Answer, Target } from '@fleetloom/shared/questdb/answer'
import type { Questdb } from '@fleetloom/shared/questdb/client'
import type { WriterMetrics } from '../metrics.ts'

/** Writes, so many at a time over all fleets, and measured. */
export const limited =
  (questdb: Pick<Questdb, 'write'>, options: { readonly requests: Bounded; readonly metrics: WriterMetrics }) =>
  async (bodies: readonly Uint8Array[], target: Target): Promise<Answer> => {
    using _ = await options.requests.take(1)
    const start = performance.now()
    const answer = await questdb.write(bodies, target)
    options.metrics.requestTook((performance.now() - start) / 1000)
    return answer
  }
