/** Waits that can be cut short. One at a time. */
export class Pause {
  #end: () => void = () => undefined
  #closed = false

  /** Resolves after `ms`, or when ended. */
  begin(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, this.#closed ? 0 : ms)
    this.#end = () => {
      clearTimeout(timer)
      resolve()
    }
    return promise
  }

  end(): void {
    this.#end()
  }

  /** Ends the wait under way and makes every later one none. */
  close(): void {
    this.#closed = true
    this.#end()
  }
}
