/** Time as the loop sees it; tests bring their own. */
export type Clock = {
  /** ms since the epoch. */
  now(): number
  /** Calls `task` once after `ms`; returns how to call it off. */
  after(ms: number, task: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, task) => {
    const timer = setTimeout(task, ms)
    return () => clearTimeout(timer)
  },
}
