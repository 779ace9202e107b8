/** How many dry runs there are at once: one per key and per namespace, and few in all, as each keeps a core busy. */
import { Problem } from '../http/problem.ts'

const MOST = 2
const RETRY_SECONDS = 10

type Asking = { readonly key: string; readonly namespace: string }

const busy = (detail: string): Problem =>
  new Problem('busy', detail, { next: 'Send it again when that is over.', retryAfterSeconds: RETRY_SECONDS })

export class Turns {
  readonly #going = new Set<Asking>()

  /** Takes the turn of a key for a namespace until it is disposed of. @throws Problem when it is not its turn */
  take(asking: Asking): Disposable {
    const going = [...this.#going]
    if (going.some(({ key }) => key === asking.key)) throw busy('a dry run of this key is going on')
    if (going.some(({ namespace }) => namespace === asking.namespace))
      throw busy(`a dry run in namespace ${asking.namespace} is going on`)
    if (going.length >= MOST) throw busy(`${MOST} dry runs are going on`)
    this.#going.add(asking)
    return { [Symbol.dispose]: () => void this.#going.delete(asking) }
  }
}
