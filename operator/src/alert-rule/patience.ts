/** How long rules have waited for the alerter, each generation by itself. */
import type { Told } from '../loop/errors.ts'
import type { Metadata } from '../source/source.ts'

/** An alerter that runs judges a rule well within this time. */
export const PATIENCE_MS = 10_000

/** Waits that are remembered; who is forgotten begins anew. */
const MOST_WAITS = 10_000

type Wait = { readonly generation: number; readonly sinceMs: number }

export class Patience {
  readonly #now: () => number
  /** By UID of the rule, oldest first. */
  readonly #waits = new Map<string, Wait>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** What is to be told of a wait that began with the first call for this generation. */
  waits({ uid, generation }: Pick<Metadata, 'uid' | 'generation'>): Exclude<Told, 'nothing'> {
    const known = this.#waits.get(uid)
    const wait = known?.generation === generation ? known : { generation, sinceMs: this.#now() }
    if (wait !== known) this.#remember(uid, wait)
    return this.#now() - wait.sinceMs < PATIENCE_MS ? 'quietly' : 'all'
  }

  ends({ uid }: Pick<Metadata, 'uid'>): void {
    this.#waits.delete(uid)
  }

  #remember(uid: string, wait: Wait): void {
    this.#waits.delete(uid)
    this.#waits.set(uid, wait)
    if (this.#waits.size > MOST_WAITS) this.#waits.delete(this.#waits.keys().next().value as string)
  }
}
