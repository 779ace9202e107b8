/**
 * A circuit breaker: after `FAILURES` failures in a row nobody asks the receiver for a while; then one may try, and its outcome
 * closes the circuit or opens it again, for twice as long up to `MOST_MS`.
 */
const FAILURES = 5
const FIRST_MS = 5_000
const MOST_MS = 60_000

export class Breaker {
  readonly #now: () => number
  #failures = 0
  #openMs = FIRST_MS
  #openUntilMs: number | undefined
  #probing = false

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  get isClosed(): boolean {
    return this.#openUntilMs === undefined
  }

  /** ms until somebody may try; 0 when one may now. */
  get waitMs(): number {
    if (this.#openUntilMs === undefined) return 0
    const left = this.#openUntilMs - this.#now()
    return this.#probing ? Math.max(left, FIRST_MS / 10) : Math.max(left, 0)
  }

  /** Whether the caller may try now. When the circuit is open it is the only one, until it told the outcome. */
  enter(): boolean {
    if (this.isClosed) return true
    if (this.waitMs > 0) return false
    this.#probing = true
    return true
  }

  /** The outcome of an attempt: whether the receiver answered as one that works. */
  note(works: boolean): void {
    const wasProbe = this.#probing
    this.#probing = false
    if (works) {
      this.#failures = 0
      this.#openMs = FIRST_MS
      this.#openUntilMs = undefined
      return
    }
    this.#failures++
    const isLate = !this.isClosed && !wasProbe
    if (this.#failures < FAILURES || isLate) return
    if (wasProbe) this.#openMs = Math.min(this.#openMs * 2, MOST_MS)
    this.#openUntilMs = this.#now() + this.#openMs
  }
}
