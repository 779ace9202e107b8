/**
 * The checkpoint of a shard: the shard as it is at one moment. The copy of a large engine takes some tenths of a second, so it is made in
 * slices, between which the process, the engine itself included, does whatever else it has to do; with rests, unless somebody waits for
 * the checkpoint.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { ShardEngine } from '@fleetloom/shared/rules/engine/engine'
import type { SnapshotCopy } from '@fleetloom/shared/rules/engine/snapshot-copy'
import { pack } from '../checkpoint/parcel.ts'
import type { Checkpoint, Pace, Position } from '../checkpoint/store.ts'
import type { Counting } from './counting.ts'
import type { Outgoing } from './outgoing.ts'
import type { Outside } from './outside.ts'

const SLICE_MS = 1
const REST_MS = 5
const HURRIED_SLICE_MS = 5

/** The chunks of a snapshot, once all is copied. @throws what the signal is aborted with */
export const inSlices = async (
  snapshot: Pick<SnapshotCopy, 'step'>,
  { isHurried, signal }: Pace,
): Promise<readonly Uint8Array[]> => {
  for (;;) {
    signal?.throwIfAborted()
    const endMs = performance.now() + (isHurried() ? HURRIED_SLICE_MS : SLICE_MS)
    do {
      const chunks = snapshot.step()
      if (chunks) return chunks
    } while (performance.now() < endMs)
    await (isHurried() ? setImmediate() : sleep(REST_MS))
  }
}

type Parts = {
  readonly engine: ShardEngine
  readonly counting: Counting
  readonly outgoing: Outgoing
  readonly outside: Outside
}

/** Everything is as it was when this was called, whatever comes while the engine is copied. */
export const checkpointOf = async (
  { engine, counting, outgoing, outside }: Parts,
  position: Position,
  pace: Pace,
): Promise<Checkpoint> => {
  const rest = { counters: counting.encode(), outgoing: outgoing.all(), ...outside.told() }
  return { ...position, chunks: pack({ ...rest, engine: await inSlices(engine.beginSnapshot(), pace) }) }
}
