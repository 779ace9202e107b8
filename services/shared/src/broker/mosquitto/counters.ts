/**
 * The broker's own counters, as it publishes them every `sys_interval` under `$SYS`. What is held for sessions is the
 * message store less the retained messages; bytes are those of the whole store (retained ones are small).
 */
import type { QueueCounters } from '../broker.ts'
import type { Control } from './control.ts'

const TOPICS = {
  stored: '$SYS/broker/store/messages/count',
  bytes: '$SYS/broker/store/messages/bytes',
  retained: '$SYS/broker/retained messages/count',
  dropped: '$SYS/broker/publish/messages/dropped',
} as const

/** Latest counters; undefined until the broker has told them, and for a user that may not read `$SYS`. */
export const listenToCounters = (control: Control): (() => QueueCounters | undefined) => {
  const values = new Map<keyof typeof TOPICS, number>()
  for (const [name, topic] of Object.entries(TOPICS))
    control.listen(topic, (payload) => values.set(name as keyof typeof TOPICS, Number(payload)))
  return () => {
    const { stored, bytes, retained, dropped } = Object.fromEntries(values)
    if (stored === undefined || bytes === undefined) return undefined
    return {
      queuedMessages: Math.max(0, stored - (retained ?? 0)),
      queuedBytes: bytes,
      droppedMessages: dropped ?? 0,
    }
  }
}
