const BASE_MS = 200
const MAX_MS = 10_000

/** Pause before attempt `attempt` (1, 2, …): doubles up to 10 s, and a random half of it is jitter. */
export const backoffMs = (attempt: number, random: () => number = Math.random): number => {
  const full = Math.min(MAX_MS, BASE_MS * 2 ** (attempt - 1))
  return full / 2 + (full / 2) * random()
}
