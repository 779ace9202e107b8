/**
 * The copy of an engine for a checkpoint. That of a large shard takes some tenths of a second, so it is made in slices, between which the
 * process, the engine itself included, does whatever else it has to do.
 */
import { setImmediate } from 'node:timers/promises'
import type { SnapshotCopy } from '@fleetloom/shared/rules/engine/snapshot'

const SLICE_MS = 5

/** The chunks of a snapshot, once all is copied. */
export const inSlices = async (snapshot: Pick<SnapshotCopy, 'step'>): Promise<readonly Uint8Array[]> => {
  for (;;) {
    const endMs = performance.now() + SLICE_MS
    do {
      const chunks = snapshot.step()
      if (chunks) return chunks
    } while (performance.now() < endMs)
    await setImmediate()
  }
}
