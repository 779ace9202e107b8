/**
 * Many things at a bounded rate: some at once, some to a request, and a batch that was refused cut until the culprit
 * stands alone.
 */

type Run = <T>(work: () => Promise<T>) => Promise<T>

/** Runs at most `size` at once; the others wait in order. */
export const slots = (size: number): Run => {
  const waiting: (() => void)[] = []
  let free = size
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }
}

/** `Promise.all` over `items` with at most `size` running. After a failure none is begun, and those under way are waited for. */
export const mapSome = async <T, R>(items: readonly T[], size: number, work: (item: T) => Promise<R>): Promise<R[]> => {
  const results: R[] = []
  let next = 0
  const runner = async (): Promise<void> => {
    while (next < items.length) {
      const i = next++
      try {
        results[i] = await work(items[i] as T)
      } catch (error) {
        next = items.length
        throw error
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(size, items.length) }, runner))
  for (const end of ended) if (end.status === 'rejected') throw end.reason
  return results
}

/** Parts whose JSON has at most `bytes` bytes; an item that is larger alone is a part of its own. */
export const chunksOfBytes = <T>(items: readonly T[], bytes: number): T[][] => {
  const chunks: T[][] = []
  let room = 0
  for (const item of items) {
    const size = Buffer.byteLength(JSON.stringify(item)) + 1
    if (size > room || chunks.length === 0) {
      chunks.push([])
      room = bytes
    }
    chunks.at(-1)?.push(item)
    room -= size
  }
  return chunks
}

/**
 * Sends `items` as one, and where that is refused, in halves, down to single ones. Gives those that were refused alone, and why;
 * what `isRefusal` does not own is thrown.
 */
export const bisect = async <T>(
  items: readonly T[],
  send: (items: readonly T[]) => Promise<unknown>,
  isRefusal: (error: unknown) => boolean,
): Promise<Map<T, unknown>> => {
  if (items.length === 0) return new Map()
  try {
    await send(items)
    return new Map()
  } catch (error) {
    if (!isRefusal(error)) throw error
    if (items.length === 1) return new Map([[items[0] as T, error]])
    const middle = items.length >> 1
    const left = await bisect(items.slice(0, middle), send, isRefusal)
    return new Map([...left, ...(await bisect(items.slice(middle), send, isRefusal))])
  }
}
