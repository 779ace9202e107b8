/** How many deliveries of a partition wait, within the bounds of each receiver and each namespace. */
import type { Delivery } from './delivery.ts'
import { receiverKey } from './receivers.ts'

/** Deliveries that may wait for one receiver, and for all of a namespace, and the bytes of the latter's records. */
export const MOST_PARKED = 500
export const MOST_PARKED_IN_NAMESPACE = 2_000
export const MOST_PARKED_BYTES = 4 * 1024 ** 2

type Bound = { readonly key: string; readonly cost: number; readonly most: number; readonly what: string }

const boundsOf = ({ transition: { namespace }, receiver, bytes }: Delivery): readonly Bound[] => {
  const all = `wait for receivers of namespace ${namespace}`
  return [
    {
      key: receiverKey(namespace, receiver.url),
      cost: 1,
      most: MOST_PARKED,
      what: 'notifications wait for the receiver',
    },
    { key: `number ${namespace}`, cost: 1, most: MOST_PARKED_IN_NAMESPACE, what: `notifications ${all}` },
    { key: `bytes ${namespace}`, cost: bytes, most: MOST_PARKED_BYTES, what: `bytes of notifications ${all}` },
  ]
}

export class Parking {
  readonly #taken = new Map<string, number>()

  /** Why there is no room for the delivery; undefined when there is. */
  full(delivery: Delivery): string | undefined {
    const bound = boundsOf(delivery).find(({ key, cost, most }) => (this.#taken.get(key) ?? 0) + cost > most)
    return bound && `${bound.most} ${bound.what} already`
  }

  add(delivery: Delivery): void {
    for (const { key, cost } of boundsOf(delivery)) this.#taken.set(key, (this.#taken.get(key) ?? 0) + cost)
  }

  remove(delivery: Delivery): void {
    for (const { key, cost } of boundsOf(delivery)) {
      const left = (this.#taken.get(key) ?? 0) - cost
      if (left > 0) this.#taken.set(key, left)
      else this.#taken.delete(key)
    }
  }
}
