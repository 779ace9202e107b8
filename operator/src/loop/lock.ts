/** Runs one piece of work at a time, in the order in which they came. */
export type Lock = <T>(work: () => Promise<T>) => Promise<T>

export const createLock = (): Lock => {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const next = last.then(work)
    last = next.catch(() => undefined)
    return next
  }
}
