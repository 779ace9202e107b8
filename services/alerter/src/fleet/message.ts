import type { BatchInfo } from '@fleetloom/shared/pipeline/batch'
import type { Message } from '@fleetloom/shared/rules/engine/engine'
import type { JsMsg } from '@nats-io/jetstream'

/** A message of the stream as the engine takes it. */
export const engineMessage = (message: JsMsg, { progressMs, session = 0 }: BatchInfo): Message => ({
  body: message.data,
  storedMs: Math.floor(message.info.timestampNanos / 1e6),
  ...(progressMs !== undefined && { progress: { session, ms: progressMs } }),
})
