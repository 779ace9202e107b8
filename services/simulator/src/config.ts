import { homedir } from 'node:os'
import { join } from 'node:path'
import { DEVICE_ID } from '@fleetloom/crds/names'
import { commonConfig } from '@fleetloom/shared/process/config'
import { z } from 'zod'
import { SHOWS } from './shows.ts'

const showNames = Object.keys(SHOWS) as (keyof typeof SHOWS)[]

export const simulatorConfig = z.object({
  ...commonConfig,
  apiUrl: z.url().default('http://127.0.0.1:8080').describe('Fleetloom api, where the devices are registered'),
  apiKeyFile: z.string().describe('file that holds an api key with devices:read and devices:write'),
  mqttUrl: z
    .url({ protocol: /^mqtts?$/ })
    .default('mqtt://127.0.0.1:1883')
    .describe('MQTT broker, mqtt:// or mqtts://'),
  stateFile: z
    .string()
    .default(join(homedir(), '.fleetloom-simulator.json'))
    .describe("file that the devices' secrets are kept in, for its owner's eyes only"),
  speed: z.coerce
    .number()
    .min(1)
    .max(36_000)
    .default(3_600)
    .describe('recorded seconds played per second; 1 is real time, 3600 plays a recorded hour each second'),
  shows: z
    .string()
    .default(showNames.join(','))
    .transform((list) => list.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(showNames, { error: `must be some of ${showNames.join(', ')}` })))
    .describe(
      'what to play, comma separated: stations (fleet weather/stations), cities (climate/cities), host (lab/hosts)',
    ),
  hostDevice: z.string().regex(DEVICE_ID).default('this-machine').describe('device id of this machine in lab/hosts'),
  hostIntervalMs: z.coerce.number().int().min(1_000).default(5_000).describe('ms between readings of this machine'),
  bufferMessages: z.coerce
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(1_000)
    .describe('messages each device keeps while it can not publish; beyond it the oldest is dropped'),
})

export type SimulatorConfig = z.infer<typeof simulatorConfig>
