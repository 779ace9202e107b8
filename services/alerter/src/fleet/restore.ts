/** Shards from their checkpoints. */
import type { Ref } from '@fleetloom/crds/names'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { type Parcel, unpack } from '../checkpoint/parcel.ts'
import type { Checkpoint } from '../checkpoint/store.ts'
import type { AlerterParts } from './parts.ts'
import { Shard } from './shard.ts'
import type { ShardOptions } from './shard-options.ts'

type Saved = { readonly parcel: Parcel; readonly checkpoint: Checkpoint; readonly revision: number }

const notUsed = (log: Logger, shard: number, error: unknown): undefined => {
  log.warn({ shard }, `the checkpoint is not used, the stream is read again: ${messageOf(error)}`)
}

const load = async ({ checkpoints, log }: AlerterParts, fleet: Ref, index: number) => {
  const { revision, checkpoint } = await checkpoints.take(fleet, index)
  if (!checkpoint) return { revision, saved: undefined }
  try {
    return { revision, saved: { parcel: unpack(checkpoint.chunks), checkpoint, revision } }
  } catch (error) {
    return { revision, saved: notUsed(log, index, error) }
  }
}

const resume = (options: ShardOptions, { parcel, checkpoint, revision }: Saved): Shard | undefined => {
  try {
    const shard = new Shard(options, revision)
    shard.resume(parcel, checkpoint)
    return shard
  } catch (error) {
    return notUsed(options.parts.log, options.index, error)
  }
}

/** Ends the alerts that a checkpoint of a fleet that is gone still knows of, and removes it. */
const end = async (parts: AlerterParts, index: number, saved: Saved, signal: AbortSignal): Promise<void> => {
  const { document } = saved.parcel
  const nothing = { document, rules: [], devices: [] }
  const shard = resume({ parts, document, index, known: () => nothing, onOvertaken: () => undefined }, saved)
  await (shard ? shard.fleetGone(signal) : parts.checkpoints.remove(document, index))
}

/** As `end`, for a fleet of which only checkpoints are left. */
export const endShard = async (parts: AlerterParts, fleet: Ref, index: number, signal: AbortSignal): Promise<void> => {
  const { saved } = await load(parts, fleet, index)
  await (saved ? end(parts, index, saved, signal) : parts.checkpoints.remove(fleet, index))
}

/**
 * The shard as its last checkpoint left it; where there is none of use a fresh one that goes on with what fires. Alerts of a former fleet
 * of its name end.
 */
export const restoreShard = async (options: ShardOptions, signal: AbortSignal): Promise<Shard> => {
  const { parts, document, index } = options
  const shards = document.stream.telemetrySubjects.length
  const { revision, saved } = await load(parts, document, index)
  const isFormer = saved !== undefined && saved.parcel.document.uid !== document.uid
  if (isFormer) await end(parts, index, saved, signal)
  const resumed = saved && !isFormer ? resume(options, saved) : undefined
  if (resumed) return resumed
  const firing = await parts.stillFiring(document, (device) => shardOf(device, shards) === index)
  const shard = new Shard(options, isFormer ? 0 : revision)
  shard.begin(firing)
  return shard
}
