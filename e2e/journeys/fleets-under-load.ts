/** The three forms in which readings come, each as a fleet of 50 devices with a load of numbered readings. */

import type { Ref } from '@fleetloom/crds/names'
import { type Load, type LoadOptions, type LoadResult, startLoad } from '@fleetloom/simulator/load/load'
import { bareScalar, objectPayload, type PayloadMaker, scalarWithTimestamp } from '@fleetloom/simulator/load/payload'
import type { Device } from '../kit/api-client.ts'
import type { Platform } from '../kit/platform.ts'

export type Form = {
  readonly fleet: Ref
  readonly manifest: string
  readonly topicOf: (device: string) => string
  readonly payload: PayloadMaker
  /** Column that holds the message's number. */
  readonly column: string
  /** Readings carry their time, so that each is stored exactly once. */
  readonly timestamped: boolean
}

const manifest = ({ namespace, name }: Ref, spec: string): string => `apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  stream: { maxBytes: 256Mi, keep: 1h }
  storage: { ttl: 30d, rollups: [] }
  limits: { messagesPerSecond: 10000 }
${spec}`

const scalarForm = (name: string, payload: PayloadMaker, timestamped: boolean): Form => {
  const fleet = { namespace: 'chaos', name }
  const measurements = '  measurements: [{ name: n, type: Double }]'
  return {
    fleet,
    manifest: manifest(fleet, `  topics: { telemetry: ["${name}/{device}/{measurement}"] }\n${measurements}\n`),
    topicOf: (device) => `${name}/${device}/n`,
    payload,
    column: 'n',
    timestamped,
  }
}

const objects: Ref = { namespace: 'chaos', name: 'objects' }

const OBJECT_FIELDS =
  '[{ name: temperature, type: Double }, { name: humidity, type: Double }, { name: battery, type: Double }, { name: state, type: Symbol }]'

/** JSON objects with a timestamp, single numbers with one, and bare numbers. */
export const FORMS: readonly Form[] = [
  {
    fleet: objects,
    manifest: manifest(objects, `  measurements: ${OBJECT_FIELDS}\n`),
    topicOf: (device) => `fleets/chaos/objects/${device}/telemetry`,
    payload: objectPayload(),
    column: 'battery',
    timestamped: true,
  },
  scalarForm('scalars', scalarWithTimestamp(), true),
  scalarForm('bare', bareScalar(), false),
]

export const SHARED_PREFIXES = ['scalars/=chaos', 'bare/=chaos']

export const manifestsOf = (forms: readonly Form[]): Record<string, string> =>
  Object.fromEntries(forms.map(({ fleet, manifest: text }) => [`${fleet.name}.yaml`, text]))

/** Registers `count` devices of the form's fleet. */
export const registerDevices = async (platform: Platform, { fleet }: Form, count: number): Promise<Device[]> => {
  const devices: Device[] = []
  for (let i = 0; i < count; i++) devices.push(await platform.register(fleet, `${fleet.name}-${i}`))
  return devices
}

/** Starts a load in which every device publishes over a connection of its own. */
export const startFleetLoad = (
  platform: Platform,
  form: Form,
  devices: readonly Device[],
  options: Pick<LoadOptions, 'count' | 'rate' | 'reconnect' | 'window'>,
): Promise<Load> =>
  startLoad({
    port: platform.mosquitto.port,
    logins: devices.map(({ username, password }) => ({ clientId: username, username, password })),
    devices: devices.map(({ device }) => device),
    topicOf: form.topicOf,
    payload: form.payload,
    ...options,
  })

/** A load as the ledger sees it. */
export type Sent = { readonly form: Form; readonly result: LoadResult }
