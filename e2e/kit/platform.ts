/**
 * The whole platform on one machine: three servers, our five processes and a folder of manifests. For a test in a temp
 * folder on free ports; for the demo in a folder of its own on the usual ports.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DeviceCaFiles } from '@fleetloom/api/certificates/make-ca'
import { label, type Ref } from '@fleetloom/crds/names'
import { type ApiClient, createApiClient, type Device } from './api-client.ts'
import type { Child } from './child.ts'
import { type FleetStatus, fleetStatuses, isFleetReady, whyNotReady } from './fleet-status.ts'
import { startListKeeper } from './list-keeper.ts'
import { startMosquitto } from './mosquitto.ts'
import { connectMqtt, type MqttSession } from './mqtt.ts'
import { startNats } from './nats.ts'
import type { Place } from './place.ts'
import type { Part, PlatformOptions } from './platform-options.ts'
import { startQuestdb } from './questdb.ts'
import { type Secret, secretFile } from './secret-file.ts'
import {
  type Servers,
  type Service,
  type ServiceOptions,
  type ServiceProcess,
  type Surroundings,
  startService,
} from './services.ts'
import type { Sql } from './sql.ts'
import { tempDir } from './temp.ts'
import { together } from './together.ts'
import { until } from './until.ts'

export type Platform = AsyncDisposable &
  Servers &
  ApiClient &
  Readonly<Record<Service, ServiceProcess>> & {
    readonly adminKeyFile: string
    readonly platformKey: Secret
    /** With the option `certificates`: the CA of devices, and the process that keeps the broker's revocation list. */
    readonly deviceCa: DeviceCaFiles | undefined
    readonly crl: Child | undefined
    /** Folder that the operator watches. */
    readonly manifests: string
    readonly sql: Sql
    /** Writes a manifest into the folder: made or changed. */
    apply(file: string, yaml: string): void
    /** Removes a manifest from the folder. */
    remove(file: string): void
    /** What the operator says of each fleet. */
    fleets(): Promise<FleetStatus[]>
    /** Waits until the fleet is Ready at its latest generation, which is at least `generation`. */
    untilReady(
      fleet: Ref,
      options?: { readonly generation?: number; readonly deadlineMs?: number },
    ): Promise<FleetStatus>
    /** An MQTT 5 session of the device. */
    connect(device: Device): Promise<MqttSession>
    /** One more replica of a service. */
    another(service: Service, options?: ServiceOptions): Promise<ServiceProcess>
  }

/** Where a part lives, and whom it tells. */
const placeFor = (part: Part, directory: string | undefined, { logFile, onDeath }: PlatformOptions): Place => ({
  directory,
  logFile: logFile?.(part),
  onDeath: onDeath && ((how) => onDeath(part, how)),
})

const announced = async <T>(part: Part, { onUp }: PlatformOptions, start: Promise<T>): Promise<T> => {
  const started = await start
  onUp?.(part)
  return started
}

const startServers = async (
  stack: AsyncDisposableStack,
  options: PlatformOptions,
  deviceCa: DeviceCaFiles | undefined,
): Promise<Servers> => {
  const { directory, ports = {}, installation } = options
  const place = (part: Part) => placeFor(part, directory && join(directory, part), options)
  const [mosquitto, nats, questdb] = await together(
    stack,
    announced(
      'mosquitto',
      options,
      startMosquitto({
        ...place('mosquitto'),
        ...{ port: ports.mosquitto, tlsPort: ports.mqtts, installation, deviceCa },
        ...options.mosquitto,
      }),
    ),
    announced(
      'nats',
      options,
      startNats({ ...place('nats'), port: ports.nats, monitorPort: ports.natsMonitor, installation, ...options.nats }),
    ),
    announced(
      'questdb',
      options,
      startQuestdb({ ...place('questdb'), port: ports.questdb, pgPort: ports.postgres, ...options.questdb }),
    ),
  )
  return { mosquitto, nats, questdb }
}

const startServices = async (stack: AsyncDisposableStack, around: Surroundings, options: PlatformOptions) => {
  const start = (service: Service) => {
    const { directory: _, ...place } = placeFor(service, undefined, options)
    const specific = { port: options.ports?.[service], env: options.env?.[service] }
    return announced(service, options, startService(service, around, { ...place, ...specific }))
  }
  const [operator, api, alerter, writer, ingest] = await together(
    stack,
    ...([start('operator'), start('api'), start('alerter'), start('writer'), start('ingest')] as const),
  )
  return { operator, api, alerter, writer, ingest }
}

/** Where the broker has a listener for certificates: what keeps its list of the revoked ones. */
const startKeeper = async (
  stack: AsyncDisposableStack,
  { deviceCa, mosquitto: { tls } }: Surroundings,
  apiUrl: string,
  options: PlatformOptions,
): Promise<Child | undefined> => {
  if (deviceCa === undefined || tls === undefined) return undefined
  const { logFile, onDeath } = placeFor('crl', undefined, options)
  return stack.use(await announced('crl', options, startListKeeper({ apiUrl, deviceCa, tls, logFile, onDeath })))
}

/** Its code is loaded only where it is needed: it is large. */
const deviceCaIn = async (directory: string): Promise<DeviceCaFiles> => {
  const { makeDeviceCa } = await import('@fleetloom/api/certificates/make-ca')
  return makeDeviceCa(directory)
}

const prepare = (stack: AsyncDisposableStack, options: PlatformOptions) => {
  const directory = options.directory ?? stack.use(tempDir('platform')).path
  const manifests = join(directory, 'manifests')
  mkdirSync(manifests, { recursive: true })
  const apply = (file: string, yaml: string): void => writeFileSync(join(manifests, file), yaml)
  for (const [file, yaml] of Object.entries(options.manifests ?? {})) apply(file, yaml)
  return {
    directory,
    manifests,
    apply,
    remove: (file: string): void => rmSync(join(manifests, file)),
    platformKey: secretFile(join(directory, 'secrets', 'platform-key')),
    adminKeyFile: join(directory, 'secrets', 'admin-key'),
    state: join(directory, 'operator-state.json'),
  }
}

const waitReady = (url: string, fleet: Ref, generation: number, deadlineMs: number): Promise<FleetStatus> =>
  until(
    async () => {
      const status = (await fleetStatuses(url)).find((s) => label(s) === label(fleet))
      if (status === undefined) throw new Error(`the operator knows no fleet ${label(fleet)}`)
      if (status.generation < generation) throw new Error(`it is still at generation ${status.generation}`)
      if (!isFleetReady(status)) throw new Error(whyNotReady(status))
      return status
    },
    { what: `fleet ${label(fleet)} to be Ready`, deadlineMs, everyMs: 100 },
  )

/** Starts everything; what is started is stopped in reverse order on dispose: ingest, writer, api, operator, servers. */
export const startPlatform = async (options: PlatformOptions = {}): Promise<Platform> => {
  await using stack = new AsyncDisposableStack()
  const { directory, ...files } = prepare(stack, options)
  const deviceCa = options.certificates ? await deviceCaIn(join(directory, 'device-ca')) : undefined
  const servers = await startServers(stack, options, deviceCa)
  const { installation, sharedPrefixes = [] } = options
  const around: Surroundings = { ...servers, ...files, installation, sharedPrefixes, deviceCa }
  const services = await startServices(stack, around, options)
  const { operator, api } = services
  const crl = await startKeeper(stack, around, api.url, options)
  const parts = stack.move()
  return {
    ...servers,
    ...services,
    ...createApiClient(api.url, files.adminKeyFile),
    ...files,
    deviceCa,
    crl,
    sql: servers.questdb.sql,
    fleets: () => fleetStatuses(operator.url),
    untilReady: (fleet, { generation = 1, deadlineMs = 30_000 } = {}) =>
      waitReady(operator.url, fleet, generation, deadlineMs),
    connect: ({ username, password }) => connectMqtt({ url: servers.mosquitto.url, username, password }),
    another: async (service, extra = {}) =>
      parts.use(await startService(service, around, { replica: `${service}-${process.hrtime.bigint()}`, ...extra })),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}
