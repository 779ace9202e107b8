/** Waits for all of them, keeps on the stack those that came up, first first, and throws the first failure if there is one. */
export const together = async <const T extends readonly Promise<AsyncDisposable>[]>(
  stack: AsyncDisposableStack,
  ...starts: T
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> => {
  const outcomes = await Promise.allSettled(starts)
  for (const outcome of outcomes) if (outcome.status === 'fulfilled') stack.use(outcome.value)
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
  return Promise.all(starts) as Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }>
}
