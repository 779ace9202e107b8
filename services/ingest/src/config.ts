import { commonConfig, natsConfig } from '@fleetloom/shared/process/config'
import { z } from 'zod'

const whole = z.coerce.number().int()

export const config = z.object({
  ...commonConfig,
  ...natsConfig,
  mqttUrl: z
    .string()
    .regex(/^mqtts?:\/\/[^/]+\/?$/, 'must be mqtt://HOST:PORT or mqtts://HOST:PORT')
    .default('mqtt://127.0.0.1:1883')
    .describe('MQTT broker'),
  platformKeyFile: z
    .string()
    .describe("file that holds the platform key, of which the sessions' passwords are derived"),
  mqttReceiveMaximum: whole
    .min(16)
    .max(65_535)
    .default(4096)
    .describe('messages in flight per session; also the most that a crash can deliver twice'),
  mqttKeepAliveSeconds: whole.min(5).max(3600).default(30).describe('MQTT keep alive'),
  mqttSessionExpirySeconds: whole
    .min(60)
    .max(0xffff_fffe)
    .default(30 * 86_400)
    .describe('how long the broker keeps a session that nobody takes up'),
  brokerQueueMessages: whole
    .min(1)
    .default(1_000_000)
    .describe('messages that the broker queues for a session, as it is configured'),
  batchMs: whole.min(1).max(1000).default(20).describe('longest wait of a row for its batch'),
  readPauseMs: whole.min(1).max(50).default(4).describe('pause between two reads from the broker while it is busy'),
  maxUnackedBytes: whole
    .min(8 * 1024 * 1024)
    .default(48 * 1024 * 1024)
    .describe('memory of rows that no stream has acknowledged; beyond it, reading pauses'),
  probeMs: whole
    .min(100)
    .max(15_000)
    .default(5_000)
    .describe(
      'pause between two probes of how far a session is; marks more than 30 s apart count as an outage of ours',
    ),
  takeoverPauseMs: whole
    .min(100)
    .default(5_000)
    .describe('how long a session that was taken over stays away before it looks whether it is still wanted'),
})

export type Config = z.infer<typeof config>
