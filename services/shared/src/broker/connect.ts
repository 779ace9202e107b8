/**
 * Which broker a process administers accounts on, by its configuration: one set of fields and one function for the
 * operator and the api.
 */
import { z } from 'zod'
import { ConfigError, envName, holdsNoPassword } from '../process/config.ts'
import type { Logger } from '../process/logger.ts'
import { readSecret } from '../process/read-secret.ts'
import type { Broker } from './broker.ts'
import { connectEmqx } from './emqx/emqx.ts'
import { DEFAULT_LIMITS, type Limits } from './emqx/limits.ts'
import { connectMosquitto } from './mosquitto/mosquitto.ts'

const whole = z.coerce.number().int()

/** Fields of a process that administers accounts; `mqttUser` is the default of its own. */
export const brokerConfig = (mqttUser: string) =>
  ({
    broker: z.enum(['mosquitto', 'emqx']).default('mosquitto').describe('which broker: mosquitto or emqx'),
    mqttUrl: z
      .url({ protocol: /^mqtts?$/ })
      .refine(holdsNoPassword, 'holds a password, which belongs into MQTT_PASSWORD_FILE')
      .default('mqtt://127.0.0.1:1883')
      .describe('mosquitto: the broker, mqtt:// or mqtts://'),
    mqttUser: z
      .string()
      .default(mqttUser)
      .describe('mosquitto: MQTT user that administers accounts; each replica needs its own'),
    mqttPasswordFile: z.string().optional().describe('mosquitto: file that holds its password'),
    emqxUrl: z
      .url({ protocol: /^https?$/ })
      .refine(holdsNoPassword, 'holds a password, which belongs into EMQX_API_SECRET_FILE')
      .default('http://127.0.0.1:18083')
      .describe('emqx: its REST API, http:// or https://, without /api/v5'),
    emqxApiKeyFile: z.string().optional().describe('emqx: file that holds an API key of the role administrator'),
    emqxApiSecretFile: z.string().optional().describe("emqx: file that holds the key's secret"),
  }) as const

/** Fields of the process that sets what EMQX queues; the queue's length is `brokerQueueMessages`. */
export const emqxLimitsConfig = {
  emqxZone: z
    .enum(['global', 'static'])
    .default(DEFAULT_LIMITS.zone)
    .describe("emqx: where ingest's queue is set: in the global zone, or in a zone of EMQX's own configuration file"),
  emqxMaxInflight: whole
    .min(33)
    .max(65_535)
    .default(DEFAULT_LIMITS.maxInflight)
    .describe('emqx: messages in flight to a session, where the client takes as many'),
  emqxSessionExpiry: z
    .string()
    .regex(/^(\d+(ms|s|m|h|d))+$/, 'must be a time such as 2h or 30m')
    .optional()
    .describe('emqx: how long sessions of MQTT 3.1.1 clients are kept; unset: left as it is'),
  emqxMessagesRate: z
    .string()
    .regex(/^\d+\/\d*(s|m)$/, 'must be a rate such as 100/s')
    .optional()
    .describe('emqx: messages a second that one connection may send, beyond which it is slowed; unset: left as it is'),
} as const

type Config = z.infer<z.ZodObject<ReturnType<typeof brokerConfig>>> & { readonly installation: string }
type Surroundings = { readonly log: Logger; readonly limits?: Partial<Limits> }

/** Limits out of a process's configuration. */
export const limitsOf = (
  config: z.infer<z.ZodObject<typeof emqxLimitsConfig>> & { readonly brokerQueueMessages: number },
): Limits => ({
  zone: config.emqxZone,
  maxInflight: config.emqxMaxInflight,
  maxQueuedMessages: config.brokerQueueMessages,
  sessionExpiry: config.emqxSessionExpiry,
  messagesRate: config.emqxMessagesRate,
})

/** @throws ConfigError naming the variables that the chosen broker needs and that are not set. */
const need = <Key extends keyof Config & string>(config: Config, keys: readonly Key[]): Record<Key, string> => {
  const missing = keys.filter((key) => config[key] === undefined).map(envName)
  if (missing.length > 0)
    throw new ConfigError(`wrong configuration: ${missing.join(', ')}: required with BROKER=${config.broker}`)
  return config as unknown as Record<Key, string>
}

/**
 * The broker that the configuration names. An unreachable one is no error here, but on each call.
 * @throws ConfigError naming a missing variable; the error of a secret file that can't be read.
 */
export const connectBroker = async (config: Config, { log, limits = {} }: Surroundings): Promise<Broker> => {
  const { installation } = config
  if (config.broker === 'mosquitto') {
    const password = await readSecret(need(config, ['mqttPasswordFile']).mqttPasswordFile)
    return connectMosquitto({ url: config.mqttUrl, username: config.mqttUser, password, installation, log })
  }
  const files = need(config, ['emqxApiKeyFile', 'emqxApiSecretFile'])
  const readKey = async () => {
    const [key, secret] = await Promise.all([readSecret(files.emqxApiKeyFile), readSecret(files.emqxApiSecretFile)])
    return { key, secret }
  }
  await readKey()
  return connectEmqx({ url: config.emqxUrl, readKey, installation, limits, log })
}
