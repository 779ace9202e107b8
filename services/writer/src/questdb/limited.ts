import type { Bounded } from '../bounded.ts'
import type { WriterMetrics } from '../metrics.ts'
import type { Answer, Target } from './answer.ts'
import type { Questdb } from './client.ts'

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
