/** The api with a real nats-server and Mosquitto, and the fleet documents an operator would have written. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fleetKey, namesOf, type Ref } from '@fleetloom/crds/names'
import type { Broker } from '@fleetloom/shared/broker/broker'
import { connectMosquitto } from '@fleetloom/shared/broker/mosquitto/mosquitto'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { fleetDocumentOf } from '@fleetloom/shared/pipeline/testing'
import { createLogger } from '@fleetloom/shared/process/logger'
import { type Child, startChild } from '../kit/child.ts'
import { type MosquittoServer, startMosquitto } from '../kit/mosquitto.ts'
import { type NatsServer, startNats } from '../kit/nats.ts'
import { freePort } from '../kit/ports.ts'
import { tempDir, tempLog } from '../kit/temp.ts'

const MAIN = join(import.meta.dirname, '../../services/api/src/main.ts')
const names = namesOf()
export const quiet = createLogger('test', 'silent')

/** A broker adapter of the test's own administrator. */
export const testBroker = ({ url, admins }: MosquittoServer, as: 'test' | 'api' = 'test'): Broker =>
  connectMosquitto({
    url,
    username: admins[as].username,
    password: admins[as].value,
    installation: 'fleetloom',
    log: quiet,
  })

/** A fleet whose devices may publish telemetry and hear commands. */
export const fleetDocument = (fleet: Ref, change: Partial<FleetDocument> = {}): FleetDocument => {
  const topic = (last: string) => `fleets/${fleet.namespace}/${fleet.name}/{device}/${last}`
  const grants = { publish: [topic('telemetry')], subscribe: [topic('commands')] }
  return fleetDocumentOf(fleet, { grants, ...change })
}

type Send = {
  readonly body?: unknown
  readonly key?: string | null
  readonly headers?: Record<string, string>
  readonly text?: string
}

export type Answer<T = Record<string, unknown>> = {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

export type ApiUnderTest = AsyncDisposable & {
  readonly nats: NatsServer
  readonly mosquitto: MosquittoServer
  readonly client: Nats
  readonly api: Child
  readonly url: string
  readonly adminKey: string
  readonly adminKeyFile: string
  putFleet(document: FleetDocument): Promise<void>
  send<T = Record<string, unknown>>(method: string, path: string, send?: Send): Promise<Answer<T>>
}

type Servers = {
  readonly nats: NatsServer
  readonly mosquitto: MosquittoServer
  readonly adminKeyFile: string
  readonly env?: Readonly<Record<string, string>>
}

/** One api process on servers that stand already. */
export const startApi = async ({
  nats,
  mosquitto,
  adminKeyFile,
  env: more = {},
}: Servers): Promise<Child & { readonly url: string }> => {
  const url = `http://127.0.0.1:${await freePort()}`
  const { natsUrl, natsUser, natsPasswordFile } = nats.settings('api')
  const env = {
    HTTP_PORT: new URL(url).port,
    NATS_URL: natsUrl,
    NATS_USER: natsUser,
    NATS_PASSWORD_FILE: natsPasswordFile,
    MQTT_URL: mosquitto.url,
    MQTT_USER: mosquitto.admins.api.username,
    MQTT_PASSWORD_FILE: mosquitto.admins.api.file,
    ADMIN_KEY_FILE: adminKeyFile,
    ...more,
  }
  const child = await startChild({
    name: 'api',
    command: process.execPath,
    args: [MAIN],
    env,
    logFile: tempLog('api'),
    ready: async () => (await fetch(`${url}/readyz`)).ok,
  })
  return Object.assign(child, { url })
}

export const startApiUnderTest = async (): Promise<ApiUnderTest> => {
  await using stack = new AsyncDisposableStack()
  const [nats, mosquitto] = await Promise.all([startNats(), startMosquitto()])
  stack.use(nats)
  stack.use(mosquitto)
  const client = stack.use(await connectNats('test', nats.settings('admin')))
  const adminKeyFile = join(stack.use(tempDir('api')).path, 'admin.key')
  const pipeline = await client.bucket(names.buckets.pipeline)
  const api = stack.use(await startApi({ nats, mosquitto, adminKeyFile }))
  const adminKey = readFileSync(adminKeyFile, 'utf8').trim()
  const parts = stack.move()
  return {
    ...{ nats, mosquitto, client, api, url: api.url, adminKey, adminKeyFile },
    putFleet: async (document) => void (await pipeline.put(fleetKey(document), JSON.stringify(document))),
    send: (method, path, send = {}) => request(`${api.url}${path}`, method, { key: adminKey, ...send }),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** One request; `key` is the bearer token. */
export const request = async <T>(
  url: string,
  method: string,
  { body, key, headers, text }: Send,
): Promise<Answer<T>> => {
  const response = await fetch(url, {
    method,
    headers: {
      ...(key === null || key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined && text === undefined ? {} : { body: text ?? JSON.stringify(body) }),
  })
  const answer = await response.text()
  const isJson =
    response.headers.get('content-type')?.includes('json') && !response.headers.get('content-type')?.includes('ndjson')
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(answer) : answer) as T }
}
