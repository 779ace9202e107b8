import { brokerConfig } from '@fleetloom/shared/broker/connect'
import { commonConfig, natsConfig } from '@fleetloom/shared/process/config'
import { z } from 'zod'

export const apiConfig = z.object({
  ...commonConfig,
  ...natsConfig,
  httpHost: z.string().default('127.0.0.1').describe('address that the API listens on'),
  httpPort: z.coerce.number().int().min(0).max(65535).default(8080).describe('its port; 0 takes a free one'),
  ...brokerConfig('fleetloom_api'),
  adminKeyFile: z.string().optional().describe('file that the first admin key is written to, or taken from'),
})
