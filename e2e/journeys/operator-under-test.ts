/** A platform whose operator looks at everything every two seconds, and what a test sees of it. */
import { isDeepStrictEqual } from 'node:util'
import { namesOf, type Ref } from '@fleetloom/crds/names'
import type { Broker } from '@fleetloom/shared/broker/broker'
import { connectMosquitto } from '@fleetloom/shared/broker/mosquitto/mosquitto'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { createLogger } from '@fleetloom/shared/process/logger'
import { type Platform, startPlatform } from '../kit/platform.ts'
import type { PlatformOptions } from '../kit/platform-options.ts'
import { until } from '../kit/until.ts'

export const names = namesOf()
export const FLEET: Ref = { namespace: 'cold', name: 'reefers' }
export const FILE = 'reefers.yaml'
export const TABLE = names.table(FLEET)
export const STREAM = names.stream(FLEET)

type Manifest = {
  readonly fleet?: Ref
  /** `name: Type` */
  readonly measurements?: Readonly<Record<string, string>>
  /** Further lines of the spec, as YAML flow or block at two spaces. */
  readonly spec?: readonly string[]
}

export const manifest = ({
  fleet = FLEET,
  measurements = { temperature: 'Double' },
  spec = [],
}: Manifest = {}): string =>
  [
    'apiVersion: fleetloom.io/v1alpha1',
    'kind: DeviceFleet',
    `metadata: {name: ${fleet.name}, namespace: ${fleet.namespace}}`,
    'spec:',
    '  measurements:',
    ...Object.entries(measurements).map(([name, type]) => `    - {name: ${name}, type: ${type}}`),
    '  stream: {maxBytes: 16Mi}',
    ...(spec.some((line) => line.startsWith('storage:')) ? [] : ['  storage: {rollups: [{every: 1m, ttl: 180d}]}']),
    ...spec.map((line) => `  ${line}`),
    '',
  ].join('\n')

export type StatusEvent = Ref & { readonly type: string; readonly reason: string; readonly message: string }

export type OperatorPlatform = Platform & {
  /** NATS as an administrator, and the broker's accounts. */
  readonly admin: Nats
  readonly accounts: Broker
  /** What the operator told, oldest first. */
  events(): Promise<readonly StatusEvent[]>
  /** Waits for an event of the fleet whose message matches. `before`: events that do not count, unless they happened again. */
  untilTold(reason: string, message: RegExp, before?: readonly StatusEvent[]): Promise<StatusEvent>
  /** Waits until the fleet says `<type> <status> <reason>`, and gives the message. */
  untilSaid(type: string, said: string, fleet?: Ref): Promise<string>
  /** Writes of the operator to all targets, ever. */
  writes(): Promise<number>
  /** Looks of the operator at a resource, ever. */
  looks(): Promise<number>
}

const sumOf = (metrics: string, name: string): number =>
  metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)

const isOf = (fleet: Ref) => (one: Ref) => one.name === fleet.name && one.namespace === fleet.namespace

/** Starts the platform with a fleet in its folder. */
export const startOperatorPlatform = async (
  stack: AsyncDisposableStack,
  options: PlatformOptions = {},
): Promise<OperatorPlatform> => {
  const env = { RESYNC_MS: '2000', ...options.env?.operator }
  const platform = stack.use(await startPlatform({ ...options, env: { ...options.env, operator: env } }))
  const { operator, mosquitto } = platform
  const events = async () => {
    const response = await fetch(`${operator.url}/status?output=json`)
    return ((await response.json()) as { events: readonly StatusEvent[] }).events
  }
  const metric = async (name: string) => sumOf(await (await fetch(`${operator.url}/metrics`)).text(), name)
  const { username, value: password } = mosquitto.admins.test
  const log = createLogger('test', 'error')
  const admin = stack.use(await connectNats('test', platform.nats.settings()))
  const accounts = stack.use(
    connectMosquitto({ url: mosquitto.url, username, password, installation: 'fleetloom', log }),
  )
  return {
    ...platform,
    admin,
    accounts,
    events,
    untilTold: (reason, message, before = []) => {
      const isIt = (one: StatusEvent) => isOf(FLEET)(one) && one.reason === reason && message.test(one.message)
      // one that happened again has another count and another time
      const isNew = (one: StatusEvent) => !before.some((known) => isDeepStrictEqual(known, one))
      const found = async () => (await events()).find((one) => isIt(one) && isNew(one))
      return until(found, { what: `the event ${reason} ${message}`, everyMs: 200 })
    },
    untilSaid: (type, said, fleet = FLEET) =>
      until(
        async () => {
          const status = (await platform.fleets()).find(isOf(fleet))
          const condition = status?.conditions.find((one) => one.type === type)
          if (`${condition?.status} ${condition?.reason}` === said) return condition?.message
          throw new Error(`it says ${condition?.status} ${condition?.reason}: ${condition?.message}`)
        },
        { what: `${type} to be ${said}`, deadlineMs: 20_000, everyMs: 100 },
      ),
    writes: () => metric('fleetloom_operator_writes_total'),
    looks: () => metric('fleetloom_operator_reconcile_duration_seconds_count'),
  }
}

/** Columns of a table or view. */
export const columnsOf = async ({ sql }: Platform, table: string): Promise<readonly string[]> =>
  (await sql<{ column: string }>(`SELECT "column" FROM table_columns('${table}')`)).map(({ column }) => column)

/** Tables and views of the fleet. */
export const tablesOf = async ({ sql }: Platform, table = TABLE): Promise<readonly string[]> =>
  (await sql<{ table_name: string }>(`SELECT table_name FROM tables() ORDER BY table_name`))
    .map(({ table_name }) => table_name)
    .filter((name) => name.startsWith(table))
