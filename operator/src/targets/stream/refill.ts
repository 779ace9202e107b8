/**
 * Has the alerter fill the history again with what the alert stream holds, as it does when the alerts' table is made anew. A
 * cursor that was deleted sends its reader back to the beginning of the stream; the reader looks at it when its consumer goes.
 */
import type { Names } from '@fleetloom/crds/names'
import { openAlertsBucket } from '@fleetloom/shared/alerts/bucket'
import { cursorKey, HISTORY_LANES } from '@fleetloom/shared/alerts/history-lanes'
import type { Nats } from '@fleetloom/shared/nats'
import type { ConsumerInfo } from '@nats-io/jetstream'
import { Stalling } from '../../loop/errors.ts'
import { INSTALLATION_KEY } from './shape.ts'
import { orAbsent } from './stream-target.ts'

type AlertStream = Pick<Names, 'alertStream' | 'installation'>

/** @throws Stalling for a stream that is not ours. */
export const checkAlertStream = async ({ jsm }: Pick<Nats, 'jsm'>, names: AlertStream): Promise<void> => {
  const stream = await orAbsent(jsm.streams.info(names.alertStream))
  if (stream && stream.config.metadata?.[INSTALLATION_KEY] !== names.installation)
    throw new Stalling(
      'NotOwned',
      `stream ${names.alertStream} was not made by this installation; delete it or choose another installation name`,
    )
}

/** A reader that has taken nothing yet and begins with the stream. */
const isAtBeginning = ({ ack_floor, config }: ConsumerInfo): boolean =>
  ack_floor.consumer_seq === 0 && (config.opt_start_seq ?? 1) <= 1

/** Writes nothing that was written already, so that one that is killed in between is gone on with. */
export const refillHistory = async (nats: Nats, names: Names): Promise<void> => {
  const { alertStream } = names
  const stream = await orAbsent(nats.jsm.streams.info(alertStream))
  if (!stream || stream.state.messages === 0) return
  const kv = await openAlertsBucket(nats, names)
  for (const lane of HISTORY_LANES) {
    const cursor = await kv.get(cursorKey(lane))
    if (cursor?.operation === 'PUT') await kv.delete(cursorKey(lane))
    const consumer = await orAbsent(nats.jsm.consumers.info(alertStream, lane))
    if (consumer && !isAtBeginning(consumer)) await orAbsent(nats.jsm.consumers.delete(alertStream, lane))
  }
}
