/** NATS as every service uses it: a connection that never gives up, JetStream, and the KV buckets. */
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { readSecret } from './process/read-secret.ts'

export type NatsSettings = {
  readonly natsUrl: string
  readonly natsUser?: string | undefined
  readonly natsPasswordFile?: string | undefined
}

export type Nats = AsyncDisposable & {
  readonly connection: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** Opens a bucket, making it if it is absent (file storage, the given history and bound; -1 is none). */
  readonly bucket: (name: string, options?: { readonly history?: number; readonly maxBytes?: number }) => Promise<KV>
  /** Resolves when the server answers a round trip. */
  readonly ping: () => Promise<void>
}

const BUCKET_BYTES = 64 * 1024 * 1024

const credentials = async ({ natsUser, natsPasswordFile }: NatsSettings) => {
  if (natsUser === undefined) return {}
  const pass = natsPasswordFile === undefined ? '' : await readSecret(natsPasswordFile)
  return { user: natsUser, pass }
}

/** Connects, waiting for the server if it is not there yet; later losses are retried for ever. */
export const connectNats = async (name: string, settings: NatsSettings): Promise<Nats> => {
  const connection = await connect({
    name,
    servers: settings.natsUrl.split(','),
    ...(await credentials(settings)),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    waitOnFirstConnect: true,
    pingInterval: 10_000,
  })
  const js = jetstream(connection)
  const kvm = new Kvm(js)
  return {
    connection,
    js,
    jsm: await jetstreamManager(connection, { checkAPI: false }),
    bucket: (bucket, { history = 1, maxBytes = BUCKET_BYTES } = {}) =>
      kvm.create(bucket, { history, max_bytes: maxBytes }),
    ping: () => connection.rtt().then(() => undefined),
    [Symbol.asyncDispose]: () => connection.drain(),
  }
}
