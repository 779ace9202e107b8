/**
 * A queue of keys, after client-go's: a key is never processed twice at once, and adding one that waits changes nothing.
 *
 * - `waiting` keys are due now, in order. A key added while it is `running` becomes `again` and is due once it ends.
 * - A key due later has one timer, the soonest that was asked for; when it is due sooner by other means the timer is dropped.
 * - A key that failed is due after a backoff that doubles from 0.5 s to 30 s, with jitter so that keys that failed together
 *   do not come back together. Success forgets the failures.
 *
 * It holds at most one entry per key, so its size is bounded by the number of resources.
 */
import type { Clock } from './clock.ts'
import type { Next } from './errors.ts'

export type QueueOptions = {
  readonly workers: number
  readonly clock: Clock
  /** Processes one key; never rejects. */
  readonly process: (key: string) => Promise<Next>
  /** 0 ≤ x < 1 */
  readonly random?: () => number
}

const BACKOFF = { firstMs: 500, maxMs: 30_000 } as const

/** Half of the delay is fixed, half is chance. */
export const backoffMs = (failures: number, random: number): number => {
  const full = Math.min(BACKOFF.maxMs, BACKOFF.firstMs * 2 ** Math.min(failures - 1, 16))
  return full / 2 + (full / 2) * random
}

type Timer = { readonly dueMs: number; readonly cancel: () => void }

export class WorkQueue implements AsyncDisposable {
  readonly #options: QueueOptions
  readonly #waiting = new Set<string>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #again = new Set<string>()
  readonly #timers = new Map<string, Timer>()
  readonly #failures = new Map<string, number>()
  #stopped = false

  constructor(options: QueueOptions) {
    this.#options = options
  }

  /** Keys that are due and not yet taken. */
  get depth(): number {
    return this.#waiting.size + this.#again.size
  }

  add(key: string): void {
    if (this.#stopped) return
    this.#dropTimer(key)
    if (this.#running.has(key)) this.#again.add(key)
    else this.#waiting.add(key)
    this.#pump()
  }

  addAfter(key: string, ms: number): void {
    if (this.#stopped || this.#waiting.has(key)) return
    const dueMs = this.#options.clock.now() + ms
    const timer = this.#timers.get(key)
    if (timer && timer.dueMs <= dueMs) return
    this.#dropTimer(key)
    this.#timers.set(key, { dueMs, cancel: this.#options.clock.after(ms, () => this.add(key)) })
  }

  /** Takes no more keys and resolves when those under way have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    for (const key of [...this.#timers.keys()]) this.#dropTimer(key)
    this.#waiting.clear()
    this.#again.clear()
    await Promise.all(this.#running.values())
  }

  #dropTimer(key: string): void {
    this.#timers.get(key)?.cancel()
    this.#timers.delete(key)
  }

  #pump(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.workers) return
      this.#waiting.delete(key)
      this.#running.set(key, this.#run(key))
    }
  }

  async #run(key: string): Promise<void> {
    const next = await this.#options.process(key)
    this.#running.delete(key)
    if (next.kind !== 'backoff') this.#failures.delete(key)
    if (this.#again.delete(key)) this.add(key)
    else this.#schedule(key, next)
    this.#pump()
  }

  #schedule(key: string, next: Next): void {
    if (next.kind === 'after') this.addAfter(key, next.ms)
    if (next.kind !== 'backoff') return
    const failures = (this.#failures.get(key) ?? 0) + 1
    this.#failures.set(key, failures)
    this.addAfter(key, backoffMs(failures, (this.#options.random ?? Math.random)()))
  }
}
