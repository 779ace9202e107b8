/** Promises that are not settled yet: what a checkpoint has to wait for. */
export class Outstanding {
  readonly #open = new Set<Promise<unknown>>()

  add(promise: Promise<unknown>): void {
    const settled = promise.catch(() => undefined).finally(() => this.#open.delete(settled))
    this.#open.add(settled)
  }

  get size(): number {
    return this.#open.size
  }

  /** Resolves when all that are open now have settled. */
  async settled(): Promise<void> {
    await Promise.all(this.#open)
  }
}
