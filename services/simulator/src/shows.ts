/**
 * What is played: for each show its fleet, its devices, and when a device says what. A show's source gives the messages of one
 * step; the steps themselves are the playback's (recordings) or a plain interval (this machine).
 */
import { deviceUser, type Ref } from '@fleetloom/crds/names'
import { readHost } from './host.ts'
import { dateOf, type Playback } from './recording/playback.ts'
import { CITIES, type City, dailyWeather, hourlyNormals } from './recording/recordings.ts'

export type Message = { readonly topic: string; readonly payload: string }

/** A device to register. */
export type ShowDevice = { readonly device: string; readonly displayName: string; readonly type: string }

export type Step = { readonly playback: Playback; readonly step: number; readonly atMs: number }

export type Show = {
  readonly fleet: Ref
  readonly devices: readonly ShowDevice[]
  readonly playback: Playback
  /** Messages that a device publishes at a step. */
  readonly messages: (device: string, step: Step) => Promise<readonly Message[]> | readonly Message[]
}

export type ShowOptions = { readonly speed: number; readonly hostDevice: string; readonly hostIntervalMs: number }

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** The recording's hours are Pacific Standard Time. */
const SEATTLE_MS = -8 * HOUR_MS

/** Stations around Seattle see its weather some hours apart, as fronts pass. */
const STATIONS = {
  'west-seattle': { displayName: 'West Seattle', hours: 0 },
  ballard: { displayName: 'Ballard', hours: 1 },
  'capitol-hill': { displayName: 'Capitol Hill', hours: 2 },
  bellevue: { displayName: 'Bellevue', hours: 4 },
  snoqualmie: { displayName: 'Snoqualmie', hours: 7 },
} as const

type Station = keyof typeof STATIONS

const telemetryTopic = ({ namespace, name }: Ref, device: string): string =>
  `fleets/${namespace}/${name}/${device}/telemetry`

const stations = async ({ speed }: ShowOptions): Promise<Show> => {
  const fleet = { namespace: 'weather', name: 'stations' }
  const weatherAt = await hourlyNormals()
  return {
    fleet,
    playback: { speed, stepMs: HOUR_MS },
    devices: Object.entries(STATIONS).map(([device, { displayName }]) => ({
      device,
      displayName,
      type: 'weather-station',
    })),
    messages: (device, { playback, step, atMs }) => {
      const date = dateOf(playback, step, SEATTLE_MS - STATIONS[device as Station].hours * HOUR_MS)
      return [{ topic: telemetryTopic(fleet, device), payload: JSON.stringify({ ts: atMs, ...weatherAt(date) }) }]
    },
  }
}

const cities = async ({ speed }: ShowOptions): Promise<Show> => {
  const weatherOn = await dailyWeather()
  return {
    fleet: { namespace: 'climate', name: 'cities' },
    playback: { speed, stepMs: DAY_MS },
    devices: Object.entries(CITIES).map(([device, displayName]) => ({ device, displayName, type: 'city' })),
    messages: (device, { playback, step }) =>
      Object.entries(weatherOn(device as City, dateOf(playback, step))).map(([measurement, value]) => ({
        topic: `sensors/${device}/${measurement}`,
        payload: String(value),
      })),
  }
}

const host = async ({ hostDevice, hostIntervalMs }: ShowOptions): Promise<Show> => {
  const fleet = { namespace: 'lab', name: 'hosts' }
  return {
    fleet,
    playback: { speed: 1, stepMs: hostIntervalMs },
    devices: [{ device: hostDevice, displayName: 'The machine that the simulator runs on', type: 'computer' }],
    messages: async (device, { atMs }) => [
      { topic: telemetryTopic(fleet, device), payload: JSON.stringify({ ts: atMs, ...(await readHost()) }) },
    ],
  }
}

export const SHOWS = { stations, cities, host } as const

/** MQTT user name of a show's device. */
export const userOf = ({ fleet }: Show, { device }: ShowDevice): string => deviceUser(fleet.namespace, device)
