/**
 * The copy of an engine for a checkpoint. That of a large shard takes some tenths of a second, so it is made in slices, between which the
 * process, the engine itself included, does whatever else it has to do; with rests, unless somebody waits for the checkpoint.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { SnapshotCopy } from '@fleetloom/shared/rules/engine/snapshot'

const SLICE_MS = 1
const REST_MS = 5
const HURRIED_SLICE_MS = 5

/** The chunks of a snapshot, once all is copied. */
export const inSlices = async (
  snapshot: Pick<SnapshotCopy, 'step'>,
  isHurried: () => boolean,
): Promise<readonly Uint8Array[]> => {
  for (;;) {
    const endMs = performance.now() + (isHurried() ? HURRIED_SLICE_MS : SLICE_MS)
    do {
      const chunks = snapshot.step()
      if (chunks) return chunks
    } while (performance.now() < endMs)
    await (isHurried() ? setImmediate() : sleep(REST_MS))
  }
}
