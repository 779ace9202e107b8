export type Backoff = {
  /** Pause before the first attempt; default 200 ms. */
  readonly baseMs?: number
  /** Longest pause; default 10 s. */
  readonly mostMs?: number
  readonly random?: () => number
}

/** Pause before attempt `attempt` (1, 2, …): doubles up to the longest, and a random half of it is jitter. */
export const backoffMs = (
  attempt: number,
  { baseMs = 200, mostMs = 10_000, random = Math.random }: Backoff = {},
): number => {
  const full = Math.min(mostMs, baseMs * 2 ** (attempt - 1))
  return full / 2 + (full / 2) * random()
}
