import { commonConfig, holdsNoPassword, natsConfig } from '@fleetloom/shared/process/config'
import { z } from 'zod'
import { parseNetworks } from './notify/address.ts'

const whole = z.coerce.number().int()

const isNetworks = (text: string): boolean => {
  try {
    parseNetworks(text)
    return true
  } catch {
    return false
  }
}

const isHttpUrl = (text: string): boolean => /^https?:\/\/[^/]/.test(text) && URL.canParse(text)

const isHttpUrls = (text: string): boolean => text.split(',').every(isHttpUrl)

/** Fields of history and notifications. */
export const outboxConfig = {
  questdbUrl: z.url().default('http://127.0.0.1:9000').describe('QuestDB over HTTP'),
  questdbUser: z.string().optional().describe('QuestDB user'),
  questdbPasswordFile: z.string().optional().describe('file that holds the QuestDB password'),
  mqttUrl: z
    .string()
    .regex(/^mqtts?:\/\/[^/]+\/?$/, 'must be mqtt://HOST:PORT or mqtts://HOST:PORT')
    .default('mqtt://127.0.0.1:1883')
    .describe('MQTT broker, for rules that notify over MQTT'),
  platformKeyFile: z
    .string()
    .describe(
      "file that holds the platform key, of which the MQTT password is derived and that opens webhooks' secrets",
    ),
  platformKeyPreviousFile: z
    .string()
    .optional()
    .describe('file that holds the platform key before it, while secrets that it sealed are about'),
  alertmanagerUrls: z
    .string()
    .refine(isHttpUrls, 'must be http:// or https:// URLs, comma separated')
    .refine(holdsNoPassword, 'holds a password')
    .optional()
    .describe('Alertmanagers, comma separated, without /api/v2; each hears of every rule that notifies alertmanager'),
  alertmanagerResendMs: whole
    .min(1_000)
    .max(600_000)
    .default(60_000)
    .describe('how often what fires is sent to Alertmanager again; it believes it for four times as long'),
  alertUrl: z
    .string()
    .max(2048)
    .refine(isHttpUrl, 'must be an http:// or https:// URL')
    .optional()
    .describe(
      "address of an alert for people (Alertmanager's generatorURL); {namespace}, {fleet}, {rule}, {device} are filled in",
    ),
  notifyTimeoutMs: whole.min(100).max(60_000).default(10_000).describe('longest wait for the answer of a receiver'),
  webhookAttempts: whole.min(1).max(100).default(12).describe('attempts after which a notification is given up'),
  webhookBackoffMs: whole
    .min(10)
    .max(600_000)
    .default(1_000)
    .describe('pause after the first failed attempt; it doubles each time, up to 15 min'),
  webhookMaxAgeMs: whole
    .min(1_000)
    .max(6 * 86_400_000)
    .default(86_400_000)
    .describe('age after which a notification is given up, whatever its attempts'),
  webhookAllowedNetworks: z
    .string()
    .default('')
    .refine(isNetworks, 'must be networks such as 10.0.0.0/8,fd00::/8')
    .describe('networks that webhooks may reach beside the public internet, comma separated'),
} as const

/** Fields of the shards. */
const shardsConfig = {
  checkpointMs: whole
    .min(1_000)
    .default(15_000)
    .describe('time between checkpoints of a shard that takes readings, ms; what is read again after a crash'),
} as const

export const alerterConfig = z.object({ ...commonConfig, ...natsConfig, ...shardsConfig, ...outboxConfig })

/** The Alertmanagers to tell; there may be none. */
export const alertmanagerUrlsOf = ({ alertmanagerUrls = '' }: Pick<OutboxConfig, 'alertmanagerUrls'>): string[] =>
  alertmanagerUrls.split(',').filter((url) => url !== '')

export type Config = z.infer<typeof alerterConfig>
export type OutboxConfig = z.infer<z.ZodObject<typeof outboxConfig>>
