import { commonConfig, holdsNoPassword, natsConfig } from '@fleetloom/shared/process/config'
import { z } from 'zod'

export const apiConfig = z.object({
  ...commonConfig,
  ...natsConfig,
  httpHost: z.string().default('127.0.0.1').describe('address that the API listens on'),
  httpPort: z.coerce.number().int().min(0).max(65535).default(8080).describe('its port; 0 takes a free one'),
  mqttUrl: z
    .url({ protocol: /^mqtts?$/ })
    .refine(holdsNoPassword, 'holds a password, which belongs into MQTT_PASSWORD_FILE')
    .default('mqtt://127.0.0.1:1883')
    .describe('MQTT broker, mqtt:// or mqtts://'),
  mqttUser: z.string().default('fleetloom_api').describe('MQTT user that administers accounts; one per replica'),
  mqttPasswordFile: z.string().describe('file that holds its password'),
  adminKeyFile: z.string().optional().describe('file that the first admin key is written to, or taken from'),
})
