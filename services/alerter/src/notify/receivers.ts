/** What all lanes know of the webhooks they tell: how many requests one may get at once, and whether it works. */
import { createHash } from 'node:crypto'
import { Bounded } from '@fleetloom/shared/bounded'
import { Breaker } from './breaker.ts'

const SLOTS = 8
const MOST_IDLE = 1_000

export type ReceiverState = { readonly slots: Bounded; readonly breaker: Breaker }

export class Receivers {
  readonly #states = new Map<string, ReceiverState>()

  /** The state of a receiver; forgotten when many others were asked for since and it was idle and well. */
  get(key: string): ReceiverState {
    const state = this.#states.get(key) ?? { slots: new Bounded(SLOTS), breaker: new Breaker() }
    this.#states.delete(key)
    this.#states.set(key, state)
    this.#forget()
    return state
  }

  #forget(): void {
    for (const [key, { slots, breaker }] of this.#states) {
      if (this.#states.size <= MOST_IDLE) return
      if (slots.taken === 0 && breaker.isClosed) this.#states.delete(key)
    }
  }
}

/** Names a receiver without telling what may be secret in its address. Namespaces share no state. */
export const receiverKey = (namespace: string, url: string): string =>
  createHash('sha256').update(`${namespace}\n${url}`).digest('hex').slice(0, 16)
