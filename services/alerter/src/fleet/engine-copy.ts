/**
 * The copy of an engine for a checkpoint. That of a large shard takes some tenths of a second, so it is made in slices, between which the
 * process does whatever else it has to do; only the engine itself must stand still until the copy is made, or finish it at once.
 */
import { setImmediate } from 'node:timers/promises'
import type { ShardEngine } from '@fleetloom/shared/rules/engine/engine'

const SLICE_MS = 10

export class EngineCopy {
  /** The chunks, once all is copied. */
  readonly made: Promise<readonly Uint8Array[]>
  readonly #steps: Generator<undefined, Uint8Array[]>
  #chunks: readonly Uint8Array[] | undefined

  constructor(engine: Pick<ShardEngine, 'snapshotSteps'>) {
    this.#steps = engine.snapshotSteps()
    this.made = this.#make()
  }

  /** Copies the rest at once: the engine is about to change. */
  finish(): void {
    this.#copyUntil(Number.POSITIVE_INFINITY)
  }

  async #make(): Promise<readonly Uint8Array[]> {
    for (;;) {
      const chunks = this.#copyUntil(performance.now() + SLICE_MS)
      if (chunks) return chunks
      await setImmediate()
    }
  }

  #copyUntil(endMs: number): readonly Uint8Array[] | undefined {
    while (!this.#chunks) {
      const { done, value } = this.#steps.next()
      if (done) this.#chunks = value
      else if (performance.now() >= endMs) return undefined
    }
    return this.#chunks
  }
}
