import type { MosquittoOptions } from './mosquitto.ts'
import type { NatsOptions } from './nats.ts'
import type { QuestdbOptions } from './questdb.ts'
import type { Service } from './services.ts'

/** A part of the platform that runs as a process. */
export type Part = 'nats' | 'mosquitto' | 'questdb' | 'crl' | Service

export type PlatformOptions = {
  /** Manifests by file name: `{ 'reefers.yaml': '…' }`. */
  readonly manifests?: Readonly<Record<string, string>>
  /** As in `--shared-prefix`: `sensors/=climate`. */
  readonly sharedPrefixes?: readonly string[]
  readonly installation?: string
  /** Signs devices' certificates: a device CA for the api, a listener of the broker, and a process that keeps its revocation list. */
  readonly certificates?: boolean
  /** Where everything lies; default: a temp folder that is thrown away. */
  readonly directory?: string
  readonly ports?: Readonly<Partial<Record<Part | 'natsMonitor' | 'postgres' | 'mqtts', number>>>
  readonly logFile?: (part: Part) => string
  /** Told when a part is up. */
  readonly onUp?: (part: Part) => void
  /** Told when a part ends without being asked to. */
  readonly onDeath?: (part: Part, how: string) => void
  readonly nats?: Pick<NatsOptions, 'maxFileBytes'>
  readonly mosquitto?: Pick<MosquittoOptions, 'queue' | 'autosaveSeconds'>
  readonly questdb?: Pick<QuestdbOptions, 'heapMb' | 'env'>
  /** Further environment of a service. */
  readonly env?: Readonly<Partial<Record<Service, Readonly<Record<string, string>>>>>
}
