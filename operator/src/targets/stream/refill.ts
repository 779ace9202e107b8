/**
 * Has the alerter fill the history again with what the alert stream holds, as it does when the alerts' table is made anew. A
 * cursor that was deleted sends its reader back to the beginning of the stream; the reader looks at it when its consumer goes.
 */
import type { Names } from '@fleetloom/crds/names'
import { openAlertsBucket } from '@fleetloom/shared/alerts/bucket'
import { cursorKey, HISTORY_LANES } from '@fleetloom/shared/alerts/history-lanes'
import type { Nats } from '@fleetloom/shared/nats'
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

export const refillHistory = async (nats: Nats, names: Names): Promise<void> => {
  const kv = await openAlertsBucket(nats, names)
  for (const lane of HISTORY_LANES) {
    await kv.delete(cursorKey(lane))
    await orAbsent(nats.jsm.consumers.delete(names.alertStream, lane))
  }
}
