/** Ends what is left of fleets that went while nobody held their shards: their checkpoints are still there. */
import { fleetKey, type Ref } from '@fleetloom/crds/names'
import { messageOf } from '@fleetloom/shared/process/logger'
import { shardKey } from './fleet-alerter.ts'
import { leftovers } from './leftovers.ts'
import { transitionLetter } from './letters.ts'
import type { AlerterParts } from './parts.ts'
import { endShard } from './restore.ts'

export type OrphansOptions = {
  readonly parts: AlerterParts
  /** Whether there is a fleet of this key, or was and its shards are held. */
  readonly isKnown: (key: string) => boolean
  readonly owns: (key: string) => boolean
}

/** Looks from time to time. A checkpoint is an orphan when it was one at two looks: documents that are lost are put back soon. */
export class Orphans implements AsyncDisposable {
  readonly #options: OrphansOptions
  readonly #stop = new AbortController()
  readonly #timer: NodeJS.Timeout
  #suspects: ReadonlySet<string> = new Set()
  #looking: Promise<void> = Promise.resolve()
  #isLooking = false

  constructor(options: OrphansOptions, everyMs: number) {
    this.#options = options
    this.#timer = setInterval(() => this.#start(), everyMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#stop.abort(new Error('the process stops'))
    await this.#looking
  }

  #start(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#looking = this.#look()
      .catch((error) => this.#options.parts.log.warn(`checkpoints of former fleets stay: ${messageOf(error)}`))
      .finally(() => {
        this.#isLooking = false
      })
  }

  async #look(): Promise<void> {
    const { parts } = this.#options
    const orphans = (await parts.checkpoints.list()).filter(({ fleet, shard }) => this.#isOrphan(fleet, shard))
    const suspects = this.#suspects
    this.#suspects = new Set(orphans.map(({ fleet, shard }) => shardKey(fleet, shard)))
    for (const { fleet, shard } of orphans) {
      if (!suspects.has(shardKey(fleet, shard)) || !this.#isOrphan(fleet, shard)) continue
      await endShard(parts, fleet, shard, this.#stop.signal)
      await this.#endLeftovers(fleet, shard)
      parts.log.info({ fleet: fleetKey(fleet), shard }, 'the alerts of a fleet that is gone have ended')
    }
  }

  /** Those of the whole fleet may be left to the last of its shards, which all others have gone before. */
  async #endLeftovers(fleet: Ref, shard: number): Promise<void> {
    const { parts } = this.#options
    const left = (await parts.checkpoints.list()).filter((one) => fleetKey(one.fleet) === fleetKey(fleet))
    if (left.length > 0) return
    for (const transition of await leftovers(parts, fleet)) {
      await parts.sender.send(transitionLetter(parts.names, transition), this.#stop.signal)
      parts.log.info(
        { fleet: fleetKey(fleet), shard, alert: transition.rule },
        'an alert without a checkpoint has ended',
      )
    }
  }

  #isOrphan(fleet: Ref, shard: number): boolean {
    const { isKnown, owns } = this.#options
    return !isKnown(fleetKey(fleet)) && owns(shardKey(fleet, shard))
  }
}
