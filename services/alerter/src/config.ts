import { commonConfig, natsConfig } from '@fleetloom/shared/process/config'
import { z } from 'zod'

export const alerterConfig = z.object({
  ...commonConfig,
  ...natsConfig,
  platformKeyFile: z.string().describe('file that holds the platform key'),
  checkpointMs: z.coerce
    .number()
    .int()
    .min(1_000)
    .default(15_000)
    .describe('time between checkpoints of a shard that takes readings, ms'),
})

export type Config = z.infer<typeof alerterConfig>
