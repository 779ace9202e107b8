import { commonConfig, natsConfig } from '@fleetloom/shared/process/config'
import { z } from 'zod'

export const writerConfig = z.object({
  ...commonConfig,
  ...natsConfig,
  questdbUrl: z.url().default('http://127.0.0.1:9000').describe('QuestDB over HTTP'),
  questdbUser: z.string().optional().describe('QuestDB user'),
  questdbPasswordFile: z.string().optional().describe('file that holds the QuestDB password'),
  bufferBytes: z.coerce
    .number()
    .int()
    .min(1_000_000)
    .default(16 * 1024 * 1024)
    .describe('most bytes of readings in memory, over all fleets'),
  maxRequests: z.coerce.number().int().min(1).max(64).default(4).describe('most requests to the database at once'),
})
