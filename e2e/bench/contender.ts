import type { Acl } from '@fleetloom/shared/broker/broker'
import type { Child } from '../kit/child.ts'
import type { MosquittoServer } from '../kit/mosquitto.ts'
import type { NatsServer } from '../kit/nats.ts'
import type { QuestdbServer } from '../kit/questdb.ts'

/** The servers that both contenders use, and nobody else. */
export type Bench = {
  readonly mosquitto: MosquittoServer
  readonly questdb: QuestdbServer
  readonly nats: NatsServer
  /** Makes an MQTT user with exactly these rights; gives its password, one made up when none is given. */
  readonly user: (username: string, acl: Acl, password?: string) => Promise<string>
  /** Removes an MQTT user and what the broker holds for it. */
  readonly removeUser: (username: string) => Promise<void>
}

/** One way from broker to table, subscribed and ready. Disposing of it takes everything away that it made. */
export type Contender = AsyncDisposable & {
  readonly table: string
  /** What its CPU and memory are counted over; servers of its own (`nats`) count in CPU only. */
  readonly processes: Readonly<Record<string, { readonly child: Child; readonly memory: boolean }>>
}

export type ContenderName = 'ours' | 'telegraf'

/** Topics of the bench: one for each device, subscribed by whoever is measured. */
export const topicOf = (device: string): string => `bench/${device}/telemetry`
export const TOPIC_FILTER = topicOf('+')

/** Columns that the messages fill. Symbol capacities fit the devices, as both contenders deserve. */
export const columnsSql = (devices: number): string =>
  `ts TIMESTAMP, device SYMBOL CAPACITY ${Math.max(256, devices)}, state SYMBOL, temperature DOUBLE, humidity DOUBLE, battery DOUBLE`
