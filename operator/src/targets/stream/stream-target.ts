/**
 * The stream target: a fleet's JetStream stream and the writer's durable consumer on it. DiscardNew, limits retention and no age
 * limit, so that nothing is removed that the writer has not read. *Measured on 2.15.1*: a smaller `max_bytes` removes nothing
 * from such a stream either.
 */
import { type ConsumerInfo, JetStreamApiError, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream'
import type { Target } from '../../loop/converge.ts'
import { levelOf, type StreamLevel } from './filling.ts'
import { planStream, type StreamChange } from './plan.ts'
import { CONSUMER_SETTINGS, INSTALLATION_KEY, STREAM_SETTINGS, type StreamHave, type StreamWant } from './shape.ts'

const NOT_FOUND = new Set([10059, 10014])
const NO_CAPACITY = 10047

const isNotFound = (error: unknown): boolean => error instanceof JetStreamApiError && NOT_FOUND.has(error.code)

/** The value, or undefined when the server has no such stream or consumer. */
export const orAbsent = async <T>(promise: Promise<T>): Promise<T | undefined> => {
  try {
    return await promise
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** The server can't reserve what a stream asks for. */
export class NoCapacity extends Error {
  override name = 'NoCapacity'
}

const gibibytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(2)} GiB`

/** What is reserved and, where the account has a limit, what is free. */
export const capacityText = async (jsm: JetStreamManager): Promise<string> => {
  const info = (await jsm.getAccountInfo()) as Awaited<ReturnType<JetStreamManager['getAccountInfo']>> & {
    readonly reserved_storage?: number
  }
  const reserved = info.reserved_storage ?? 0
  const limit = info.limits.max_storage
  const free = limit > 0 ? `, ${gibibytes(Math.max(0, limit - reserved))} of ${gibibytes(limit)} are free` : ''
  return `${gibibytes(reserved)} are reserved by ${info.streams} streams${free}`
}

const explained = async (jsm: JetStreamManager, want: StreamWant, error: unknown): Promise<unknown> => {
  if (!(error instanceof JetStreamApiError) || error.code !== NO_CAPACITY) return error
  const text = await capacityText(jsm)
  return new NoCapacity(
    `NATS can't reserve ${gibibytes(want.maxBytes)} for stream ${want.name}: ${text}; raise max_file_store of nats-server, or lower spec.stream.maxBytes here or elsewhere`,
  )
}

/** Deletes the writer's consumer, if the stream is ours: the one that follows reads the stream from its beginning. */
export const forgetProgress = async (
  jsm: JetStreamManager,
  { name, metadata, consumer }: StreamWant,
): Promise<void> => {
  const stream = await orAbsent(jsm.streams.info(name))
  if (stream?.config.metadata?.[INSTALLATION_KEY] !== metadata[INSTALLATION_KEY]) return
  await orAbsent(jsm.consumers.delete(name, consumer.name))
}

const haveOf = (stream: StreamInfo | undefined, consumer: ConsumerInfo | undefined): StreamHave => ({
  stream: stream && { ...stream.config, metadata: stream.config.metadata ?? {} },
  consumer: consumer && { ...consumer.config, ackFloor: consumer.ack_floor.stream_seq },
})

const streamConfig = ({ name, subjects, maxBytes, replicas, metadata }: StreamWant) => ({
  ...STREAM_SETTINGS,
  name,
  subjects: [...subjects],
  max_bytes: maxBytes,
  num_replicas: replicas,
  metadata,
})

const consumerConfig = ({ consumer }: StreamWant) => ({
  ...CONSUMER_SETTINGS,
  durable_name: consumer.name,
  filter_subject: consumer.filter,
})

const applyChange = async (jsm: JetStreamManager, want: StreamWant, { action }: StreamChange): Promise<void> => {
  switch (action.do) {
    case 'create-stream':
      return void (await jsm.streams.add(streamConfig(want)))
    case 'update-stream':
      return void (await jsm.streams.update(want.name, streamConfig(want)))
    case 'create-consumer':
      return void (await jsm.consumers.add(want.name, consumerConfig(want)))
    case 'update-consumer':
      return void (await jsm.consumers.update(want.name, want.consumer.name, consumerConfig(want)))
    case 'replace-consumer':
      await orAbsent(jsm.consumers.delete(want.name, want.consumer.name))
      return void (await jsm.consumers.add(want.name, {
        ...consumerConfig(want),
        deliver_policy: 'by_start_sequence',
        opt_start_seq: action.fromSequence,
      }))
  }
}

/** `onLevel` is told how full the stream was when it was read, if it was there. */
export const streamTarget = (
  jsm: JetStreamManager,
  onLevel?: (level: StreamLevel) => void,
): Target<StreamWant, StreamHave, StreamChange> => ({
  name: 'stream',
  read: async (want) => {
    const stream = await orAbsent(jsm.streams.info(want.name))
    const consumer = stream && (await orAbsent(jsm.consumers.info(want.name, want.consumer.name)))
    if (stream && consumer) onLevel?.(levelOf(want, stream, consumer))
    return haveOf(stream, consumer)
  },
  plan: planStream,
  apply: async (want, change) => {
    try {
      await applyChange(jsm, want, change)
    } catch (error) {
      throw await explained(jsm, want, error)
    }
  },
})
