/** How many dry runs there are at once: one per key, and few in all, as each keeps a core busy. */
import { Problem } from '../http/problem.ts'

const MOST = 2
const RETRY_SECONDS = 10

const busy = (detail: string): Problem =>
  new Problem('busy', detail, { next: 'Send it again when that is over.', retryAfterSeconds: RETRY_SECONDS })

export class Turns {
  readonly #keys = new Set<string>()

  /** Takes the turn of a key until it is disposed of. @throws Problem when it is not its turn */
  take(key: string): Disposable {
    if (this.#keys.has(key)) throw busy('a dry run of this key is going on')
    if (this.#keys.size >= MOST) throw busy(`${MOST} dry runs are going on`)
    this.#keys.add(key)
    return { [Symbol.dispose]: () => void this.#keys.delete(key) }
  }
}
