#!/usr/bin/env node
/** Command line of the load generator: statistics as JSON lines on stderr every second, the result as JSON on stdout. */
import { readFileSync } from 'node:fs'
import { ConfigError, flagsAsEnv, helpText, readConfig } from '@fleetloom/shared/process/config'
import { z } from 'zod'
import { startLoad } from './load.ts'
import { PAYLOADS } from './payload.ts'
import type { Login } from './session.ts'

const ABOUT = `load: publishes uniquely numbered QoS 1 messages of many devices and tells which were acknowledged.
Every variable is also a flag: --rate 5000.`

const schema = z.object({
  mqttHost: z.string().default('127.0.0.1').describe('host of the broker'),
  mqttPort: z.coerce.number().int().default(1883).describe('port of the broker'),
  mqttVersion: z.enum(['3.1.1', '5']).default('5').describe('MQTT version'),
  loginsFile: z.string().optional().describe('file with user:password lines, one connection each; unset: anonymous'),
  connections: z.coerce.number().int().min(1).default(4).describe('connections when anonymous'),
  window: z.coerce.number().int().min(1).max(65_535).default(500).describe('messages in flight on each connection'),
  count: z.coerce.number().int().min(1).optional().describe('messages to send; unset: until a signal'),
  rate: z.coerce
    .number()
    .min(0)
    .default(0)
    .describe('messages per second in all; 0 is as fast as the broker takes them'),
  devices: z.coerce.number().int().min(1).default(100).describe('device ids'),
  devicePrefix: z.string().default('load-').describe('start of every device id; the number follows'),
  topic: z.string().default('devices/{device}/telemetry').describe('topic, with {device} in it'),
  payload: z.enum(['object', 'scalar-ts', 'scalar']).default('object').describe('what a message carries'),
  timestampUnit: z.enum(['Seconds', 'Milliseconds', 'Microseconds']).default('Milliseconds').describe('of ts'),
  reconnect: z.stringbool().default(false).describe('survive lost connections and repeat what has no PUBACK'),
})

const loginsOf = ({ loginsFile, connections }: z.infer<typeof schema>): Login[] => {
  if (loginsFile === undefined) return Array.from({ length: connections }, (_, i) => ({ clientId: `load-${i}` }))
  const lines = readFileSync(loginsFile, 'utf8').split('\n').filter(Boolean)
  return lines.map((line) => {
    const colon = line.indexOf(':')
    const username = line.slice(0, colon)
    return { clientId: username, username, password: line.slice(colon + 1) }
  })
}

const run = async (config: z.infer<typeof schema>): Promise<void> => {
  const load = await startLoad({
    host: config.mqttHost,
    port: config.mqttPort,
    version: config.mqttVersion === '5' ? 5 : 4,
    logins: loginsOf(config),
    devices: Array.from({ length: config.devices }, (_, i) => `${config.devicePrefix}${i}`),
    topicOf: (device) => config.topic.replaceAll('{device}', device),
    payload: PAYLOADS[config.payload](config.timestampUnit),
    window: config.window,
    rate: config.rate,
    reconnect: config.reconnect,
    ...(config.count === undefined ? {} : { count: config.count }),
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void load.stop())
  const timer = setInterval(() => process.stderr.write(`${JSON.stringify(load.stats())}\n`), 1_000)
  const { acknowledgedNumbers, refusedNumbers, ...stats } = await load.done
  clearInterval(timer)
  const { user, system } = process.cpuUsage()
  const cpuMicrosPerMessage = (user + system) / stats.sent
  const ranges = { acknowledgedRanges: acknowledgedNumbers.ranges(), refusedRanges: refusedNumbers.ranges() }
  process.stdout.write(`${JSON.stringify({ ...stats, cpuMicrosPerMessage, ...ranges })}\n`)
}

const main = async (): Promise<void> => {
  if (process.argv.includes('--help')) return void process.stdout.write(helpText(ABOUT, schema))
  const flags = flagsAsEnv(schema, process.argv.slice(2))
  await run(readConfig(schema, { ...process.env, ...flags }) as z.infer<typeof schema>)
}

main().catch((error: Error) => {
  process.stderr.write(`load: ${error.message}\n`)
  process.exit(error instanceof ConfigError ? 2 : 1)
})
