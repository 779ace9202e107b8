/** Ingest with a real Mosquitto and nats-server; the test does the operator's part (accounts, streams, documents). */
import { join } from 'node:path'
import { appliedKey, fleetKey, namesOf, type Ref } from '@fleetloom/crds/names'
import { ingestAcl } from '@fleetloom/shared/broker/acl'
import type { Broker } from '@fleetloom/shared/broker/broker'
import { connectMosquitto } from '@fleetloom/shared/broker/mosquitto/mosquitto'
import { sessionPassword } from '@fleetloom/shared/broker/session-password'
import { type DeadLetter, deadLetterOf } from '@fleetloom/shared/dead-letters/dead-letter'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { type AppliedDocument, appliedDocument } from '@fleetloom/shared/pipeline/applied-document'
import { type BatchInfo, batchInfo } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { fleetDocumentOf } from '@fleetloom/shared/pipeline/testing'
import { createLogger } from '@fleetloom/shared/process/logger'
import { type Child, startChild } from '../kit/child.ts'
import { makeFleetStream } from '../kit/fleet-stream.ts'
import { type MosquittoServer, startMosquitto } from '../kit/mosquitto.ts'
import { connectMqtt, type MqttSession } from '../kit/mqtt.ts'
import { type NatsServer, startNats } from '../kit/nats.ts'
import { freePort } from '../kit/ports.ts'
import { secretFile } from '../kit/secret-file.ts'
import { nodeEnv } from '../kit/services.ts'
import { tempDir, tempLog } from '../kit/temp.ts'
import { until } from '../kit/until.ts'

const MAIN = join(import.meta.dirname, '../../services/ingest/src/main.ts')
const names = namesOf()

export type Ingest = Child & { readonly url: string }

export type IngestUnderTest = AsyncDisposable & {
  readonly nats: NatsServer
  readonly mosquitto: MosquittoServer
  readonly client: Nats
  readonly broker: Broker
  /** Starts a replica; stopped with the rest. */
  startIngest(replica: string, env?: Readonly<Record<string, string>>): Promise<Ingest>
  /** Makes what the operator makes for a fleet, its document last. */
  makeFleet(fleet: Ref, changes?: Partial<FleetDocument>): Promise<FleetDocument>
  putDocument(document: FleetDocument): Promise<void>
  removeDocument(fleet: Ref): Promise<void>
  /** An MQTT 5 session of a user that may publish to and subscribe all that is listed. */
  user(username: string, patterns: readonly string[]): Promise<MqttSession>
  applied(fleet: Ref, session?: number): Promise<AppliedDocument | undefined>
  untilSubscribed(document: FleetDocument): Promise<void>
}

export const documentOf = (fleet: Ref, changes: Partial<FleetDocument> = {}): FleetDocument =>
  fleetDocumentOf(fleet, {
    measurements: [
      { name: 'temperature', type: 'Double', minimum: -60, maximum: 100 },
      { name: 'humidity', type: 'Double' },
      { name: 'battery', type: 'Double' },
      { name: 'state', type: 'Symbol' },
    ],
    payload: { acceptPastMs: 86_400_000 },
    limits: { payloadBytes: 16_384, messagesPerSecond: 1_000_000 },
    stream: { maxBytes: 512 * 1024 ** 2 },
    ...changes,
  })

const startServers = async (stack: AsyncDisposableStack) => {
  const [nats, mosquitto] = await Promise.all([startNats(), startMosquitto()])
  stack.use(nats)
  stack.use(mosquitto)
  const client = stack.use(await connectNats('test', nats.settings()))
  await client.jsm.streams.add({ name: names.deadLetters, subjects: [names.deadSubjects], allow_direct: true })
  const { username, value: password } = mosquitto.admins.operator
  const log = createLogger('test', 'error')
  const broker = stack.use(connectMosquitto({ url: mosquitto.url, username, password, log, installation: 'fleetloom' }))
  return { nats, mosquitto, client, broker }
}

const ingestEnv = ({ nats, mosquitto }: { nats: NatsServer; mosquitto: MosquittoServer }) => {
  const { natsUrl, natsUser, natsPasswordFile } = nats.settings('ingest')
  return {
    ...nodeEnv,
    NATS_URL: natsUrl,
    NATS_USER: natsUser,
    NATS_PASSWORD_FILE: natsPasswordFile,
    MQTT_URL: mosquitto.url,
    LOG_LEVEL: 'debug',
  }
}

const brokerWork = (broker: Broker, mosquitto: MosquittoServer, platformKey: string) => ({
  /** Makes or updates the accounts of the fleet's ingest sessions. */
  accounts: async (document: FleetDocument): Promise<void> => {
    const accounts = Array.from({ length: document.sessions }, (_, session) => {
      const username = names.ingestUser(document, session)
      const plain = sessionPassword(Buffer.from(platformKey), username)
      return { username, acl: ingestAcl(document, session), disabled: false, secret: { plain } }
    })
    const held = await broker.list()
    await broker.put(accounts.filter(({ username }) => !held.has(username)))
    await broker.setAcl(accounts.filter(({ username }) => held.has(username)))
  },
  user: async (username: string, patterns: readonly string[]): Promise<MqttSession> => {
    const acl = { publish: patterns, subscribe: patterns }
    await broker.put([{ username, acl, disabled: false, secret: { plain: 'secret' } }])
    return connectMqtt({ url: mosquitto.url, username, password: 'secret' })
  },
})

export const startIngestUnderTest = async (): Promise<IngestUnderTest> => {
  await using started = new AsyncDisposableStack()
  const servers = await startServers(started)
  const { client, broker, mosquitto } = servers
  const platformKey = secretFile(join(started.use(tempDir('ingest')).path, 'platform-key'))
  const pipeline = await client.bucket(names.buckets.pipeline)
  const bucket = await client.bucket(names.buckets.applied)
  const { accounts, user } = brokerWork(broker, mosquitto, platformKey.value)
  const stack = started.move()

  const putDocument = async (document: FleetDocument) => {
    if (document.phase === 'Active') await accounts(document)
    await pipeline.put(fleetKey(document), JSON.stringify(document))
  }
  const applied = async (fleet: Ref, session = 0) => {
    const entry = await bucket.get(appliedKey('ingest', fleet, session))
    return entry?.operation === 'PUT' ? appliedDocument.parse(entry.json()) : undefined
  }
  return {
    ...servers,
    user,
    putDocument,
    applied,
    removeDocument: (fleet) => pipeline.delete(fleetKey(fleet)),
    makeFleet: async (fleet, changes = {}) => {
      const document = documentOf(fleet, changes)
      await makeFleetStream(client, document)
      await putDocument(document)
      return document
    },
    startIngest: async (replica, env = {}) => {
      const port = await freePort()
      const url = `http://127.0.0.1:${port}`
      const child = await startChild({
        name: replica,
        command: process.execPath,
        args: [...(process.env.INGEST_ARGS ?? '').split(' ').filter(Boolean), MAIN],
        env: {
          ...ingestEnv(servers),
          PLATFORM_KEY_FILE: platformKey.file,
          REPLICA: replica,
          HTTP_PORT: String(port),
          ...env,
        },
        logFile: tempLog(replica),
        ready: async () => (await fetch(`${url}/healthz`)).ok,
      })
      return stack.use(Object.assign(child, { url }))
    },
    untilSubscribed: async (document) => {
      await until(
        async () => {
          const state = await applied(document)
          return state?.state === 'Subscribed' && state.generation === document.generation && state.uid === document.uid
        },
        { what: `ingest to subscribe for ${document.name} generation ${document.generation}`, deadlineMs: 20_000 },
      )
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  }
}

export type StoredBatch = { readonly shard: number; readonly info: BatchInfo; readonly rows: readonly string[] }

/** Every batch on the fleet's stream, in its order. */
export const batchesOf = async ({ client }: IngestUnderTest, document: FleetDocument): Promise<StoredBatch[]> => {
  const { state } = await client.jsm.streams.info(document.stream.name)
  if (state.messages === 0) return []
  const consumer = await client.js.consumers.get(document.stream.name)
  const batches: StoredBatch[] = []
  for (let seen = 0; seen < state.messages; ) {
    const messages = await consumer.fetch({ max_messages: Math.min(500, state.messages - seen), expires: 2_000 })
    for await (const message of messages) {
      seen++
      const info = batchInfo(message.headers)
      const shard = document.stream.telemetrySubjects.indexOf(message.subject)
      if (info) batches.push({ shard, info, rows: message.string().split('\n').slice(0, -1) })
    }
  }
  return batches
}

export const rowsOf = async (under: IngestUnderTest, document: FleetDocument): Promise<string[]> =>
  (await batchesOf(under, document)).flatMap(({ rows }) => rows)

export type StoredLetter = { readonly head: DeadLetter; readonly body: Buffer }

export const lettersOf = async ({ client }: IngestUnderTest): Promise<StoredLetter[]> => {
  const { state } = await client.jsm.streams.info(names.deadLetters)
  const letters: StoredLetter[] = []
  for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
    const message = await client.jsm.streams.getMessage(names.deadLetters, { seq })
    const head = deadLetterOf(message?.header)
    if (message && head) letters.push({ head, body: Buffer.from(message.data) })
  }
  return letters
}

/** A value of a process's metrics, summed over its labels. */
export const metric = async ({ url }: { readonly url: string }, name: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  const values = text.split('\n').filter((row) => row.startsWith(`${name}{`) || row.startsWith(`${name} `))
  return values.reduce((sum, row) => sum + Number(row.slice(row.lastIndexOf(' ') + 1)), 0)
}
