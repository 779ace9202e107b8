/**
 * The resources of one kind as last heard of. Versions of objects are numbers that rise, so an older event never undoes what a
 * newer answer said. A list is the truth whatever its versions: an API server restored from a backup starts from older ones,
 * and what a list missed by a moment the watch that follows it brings.
 */
import { isDeepStrictEqual } from 'node:util'
import { label, type Ref } from '@fleetloom/crds/names'
import type { Kind, Resource } from '../source.ts'
import { type CustomObject, resourceOf } from './objects.ts'
import type { Watcher } from './watch.ts'

type Held = { readonly resource: Resource; readonly version: bigint }
export type Listener = (kind: Kind, ref: Ref) => void

const sameButStatus = (a: Resource, b: Resource): boolean => {
  const seen = ({ metadata: { finalizers: _, ...metadata } }: Resource) => metadata
  return isDeepStrictEqual(seen(a), seen(b))
}

export class Cache implements Watcher<CustomObject> {
  readonly #kind: Kind
  readonly #held = new Map<string, Held>()
  /** Told of what came, went or changed in anything but its status. */
  onChange: Listener = () => undefined

  constructor(kind: Kind) {
    this.#kind = kind
  }

  get(ref: Ref): Resource | undefined {
    return this.#held.get(label(ref))?.resource
  }

  list(): readonly Resource[] {
    return [...this.#held.values()].map(({ resource }) => resource)
  }

  onPut(object: CustomObject): void {
    const held = this.#held.get(label(resourceOf(this.#kind, object).metadata))
    if (!held || held.version < BigInt(object.metadata.resourceVersion)) this.#hold(object)
  }

  /** What a write of ours was answered with. An object that was deleted meanwhile does not come back by it. */
  onAnswer(object: CustomObject): void {
    const { uid } = this.get(resourceOf(this.#kind, object).metadata)?.metadata ?? {}
    if (uid === object.metadata.uid) this.onPut(object)
  }

  onDelete({ metadata: { namespace = '', name, uid } }: CustomObject): void {
    const ref = { namespace, name }
    if (this.get(ref)?.metadata.uid !== uid) return
    this.#held.delete(label(ref))
    this.onChange(this.#kind, ref)
  }

  onList(objects: readonly CustomObject[]): void {
    const listed = new Set(objects.map(({ metadata: { namespace = '', name } }) => label({ namespace, name })))
    for (const [key, { resource }] of [...this.#held]) {
      if (listed.has(key)) continue
      this.#held.delete(key)
      const { namespace, name } = resource.metadata
      this.onChange(this.#kind, { namespace, name })
    }
    for (const object of objects) this.#hold(object)
  }

  #hold(object: CustomObject): void {
    const resource = resourceOf(this.#kind, object)
    const { namespace, name } = resource.metadata
    const key = label(resource.metadata)
    const before = this.#held.get(key)
    this.#held.set(key, { resource, version: BigInt(object.metadata.resourceVersion) })
    if (!before || !sameButStatus(before.resource, resource)) this.onChange(this.#kind, { namespace, name })
  }
}
