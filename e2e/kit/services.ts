/** Our own processes as children: what each is told of the servers, and how it is started. */
import { join } from 'node:path'
import type { DeviceCaFiles } from '@fleetloom/api/certificates/make-ca'
import { ROOT } from '../tools/paths.ts'
import { type Child, startChild } from './child.ts'
import type { MosquittoServer } from './mosquitto.ts'
import type { NatsServer } from './nats.ts'
import { type Place, placeOf } from './place.ts'
import { freePort } from './ports.ts'
import type { QuestdbServer } from './questdb.ts'
import type { Secret } from './secret-file.ts'

export const SERVICES = ['operator', 'api', 'alerter', 'writer', 'ingest'] as const
export type Service = (typeof SERVICES)[number]

/** A running service; `url` is that of its /healthz, /readyz and /metrics. */
export type ServiceProcess = Child & { readonly url: string }

export type Servers = {
  readonly nats: NatsServer
  readonly mosquitto: MosquittoServer
  readonly questdb: QuestdbServer
}

export type Surroundings = Servers & {
  readonly installation?: string | undefined
  readonly platformKey: Secret
  readonly adminKeyFile: string
  readonly deviceCa?: DeviceCaFiles | undefined
  /** Folder of the operator's manifests, and where it keeps what it knows of them. */
  readonly manifests: string
  readonly state: string
  readonly sharedPrefixes: readonly string[]
}

type Env = Readonly<Record<string, string>>

const mqttEnv = ({ mosquitto }: Surroundings, admin: 'operator' | 'api'): Env => ({
  MQTT_URL: mosquitto.url,
  MQTT_USER: mosquitto.admins[admin].username,
  MQTT_PASSWORD_FILE: mosquitto.admins[admin].file,
})

const questdbEnv = ({ questdb }: Surroundings): Env => ({
  QUESTDB_URL: questdb.url,
  QUESTDB_USER: questdb.user,
  QUESTDB_PASSWORD_FILE: questdb.password.file,
})

const ENV: Readonly<Record<Service, (around: Surroundings) => Env>> = {
  operator: (around) => ({
    ...mqttEnv(around, 'operator'),
    ...questdbEnv(around),
    PLATFORM_KEY_FILE: around.platformKey.file,
    MANIFESTS: around.manifests,
    STATE_FILE: around.state,
    ...(around.sharedPrefixes.length > 0 && { SHARED_PREFIX: around.sharedPrefixes.join(',') }),
  }),
  api: (around) => ({
    ...mqttEnv(around, 'api'),
    ...questdbEnv(around),
    ADMIN_KEY_FILE: around.adminKeyFile,
    ...(around.deviceCa && {
      DEVICE_CA_CERT_FILE: around.deviceCa.certFile,
      DEVICE_CA_KEY_FILE: around.deviceCa.keyFile,
    }),
  }),
  alerter: (around) => ({
    ...questdbEnv(around),
    MQTT_URL: around.mosquitto.url,
    PLATFORM_KEY_FILE: around.platformKey.file,
  }),
  writer: questdbEnv,
  ingest: ({ mosquitto: { url, queue }, platformKey }) => ({
    MQTT_URL: url,
    PLATFORM_KEY_FILE: platformKey.file,
    ...(queue && { BROKER_QUEUE_MESSAGES: String(queue.messages) }),
  }),
}

const natsEnv = ({ nats }: Surroundings, service: Service): Env => {
  const { natsUrl, natsUser, natsPasswordFile } = nats.settings(service)
  return { NATS_URL: natsUrl, NATS_USER: natsUser, NATS_PASSWORD_FILE: natsPasswordFile }
}

/** The file that a service starts from. */
export const mainOf = (service: Service): string =>
  join(ROOT, ...(service === 'operator' ? ['operator'] : ['services', service]), 'src', 'main.ts')

/**
 * Environment of every Node process. Compiled code is kept for the next start. A young generation of 6 MB, one helper thread and one
 * malloc arena that gives back what is freed cost no measurable CPU and save a fifth of the memory.
 */
export const nodeEnv: Env = {
  NODE_COMPILE_CACHE: join(ROOT, '.cache', 'compile'),
  NODE_OPTIONS: '--max-semi-space-size=2 --v8-pool-size=1',
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '131072',
  MALLOC_MMAP_THRESHOLD_: '131072',
}

export type ServiceOptions = Pick<Place, 'logFile' | 'onDeath'> & {
  readonly port?: number | undefined
  readonly replica?: string | undefined
  /** Beside, or instead of, what it is told of the servers. */
  readonly env?: Env | undefined
}

/** Starts a service and waits until /readyz says that all it needs answers. */
export const startService = async (
  service: Service,
  around: Surroundings,
  options: ServiceOptions = {},
): Promise<ServiceProcess> => {
  const port = options.port ?? (await freePort())
  const { replica = service } = options
  const url = `http://127.0.0.1:${port}`
  const child = await startChild({
    name: replica,
    command: process.execPath,
    args: [mainOf(service)],
    env: {
      ...(around.installation !== undefined && { INSTALLATION: around.installation }),
      REPLICA: replica,
      HTTP_PORT: String(port),
      ...nodeEnv,
      ...natsEnv(around, service),
      ...ENV[service](around),
      ...options.env,
    },
    ready: () => isReady(url),
    ...placeOf(replica, { ...options, directory: ROOT }).child,
  })
  return Object.assign(child, { url })
}

/** @throws with what the service says is missing. */
const isReady = async (url: string): Promise<true> => {
  const response = await fetch(`${url}/readyz`)
  if (!response.ok) throw new Error(await response.text())
  return true
}
