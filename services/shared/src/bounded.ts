/** A bound that the whole process shares, in bytes or in requests. Whoever asks first is served first, so nobody starves. */
export class Bounded {
  readonly #total: number
  #taken = 0
  readonly #waiting: { readonly amount: number; readonly grant: (lease: Lease) => void }[] = []

  constructor(total: number) {
    this.#total = total
  }

  get taken(): number {
    return this.#taken
  }

  /** Resolves once `amount` fits; an amount beyond the bound itself is served alone. @throws what `signal` is aborted with meanwhile. */
  take(amount: number, signal?: AbortSignal): Promise<Lease> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<Lease>()
    const leave = (): void => {
      this.#waiting.splice(this.#waiting.indexOf(one), 1)
      reject(signal?.reason)
      this.#serve()
    }
    const grant = (lease: Lease): void => {
      signal?.removeEventListener('abort', leave)
      resolve(lease)
    }
    const one = { amount: Math.min(amount, this.#total), grant }
    signal?.addEventListener('abort', leave, { once: true })
    this.#waiting.push(one)
    this.#serve()
    return promise
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next && this.#taken + next.amount <= this.#total; next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#taken += next.amount
      next.grant(new Lease(next.amount, (freed) => this.#free(freed)))
    }
  }

  #free(amount: number): void {
    this.#taken -= amount
    this.#serve()
  }
}

/** A part of a bound; dispose it to give it back. */
export class Lease implements Disposable {
  #amount: number
  readonly #free: (amount: number) => void

  constructor(amount: number, free: (amount: number) => void) {
    this.#amount = amount
    this.#free = free
  }

  /** Gives back all but `amount`. */
  shrink(amount: number): void {
    const freed = this.#amount - amount
    if (freed <= 0) return
    this.#amount = amount
    this.#free(freed)
  }

  [Symbol.dispose](): void {
    this.shrink(0)
  }
}
