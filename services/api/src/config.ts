import { brokerConfig } from '@fleetloom/shared/broker/connect'
import { commonConfig, natsConfig } from '@fleetloom/shared/process/config'
import { z } from 'zod'

export const apiConfig = z
  .object({
    ...commonConfig,
    ...natsConfig,
    httpHost: z.string().default('127.0.0.1').describe('address that the API listens on'),
    httpPort: z.coerce.number().int().min(0).max(65535).default(8080).describe('its port; 0 takes a free one'),
    ...brokerConfig('fleetloom_api'),
    deviceCaCertFile: z
      .string()
      .optional()
      .describe(
        "file that holds the certificate (PEM) of the CA that signs devices' certificates; unset: none are signed",
      ),
    deviceCaKeyFile: z.string().optional().describe('file that holds its key (PEM)'),
    deviceCertificateDays: z.coerce
      .number()
      .int()
      .min(1)
      .max(825)
      .default(90)
      .describe('days that a certificate of a device is valid'),
    deviceCrlUrl: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('URL of GET /v1/device-ca/crl as brokers reach it; stands in each certificate, which EMQX needs'),
    deviceCrlDelayMs: z.coerce
      .number()
      .int()
      .min(0)
      .max(3_600_000)
      .default(5_000)
      .describe(
        'time in which every broker has loaded a new revocation list: a device that was revoked gets its next certificate only after it',
      ),
    questdbUrl: z
      .url()
      .optional()
      .describe('QuestDB over HTTP, to show stored events and the history of alerts; unset: they are not shown'),
    questdbUser: z.string().optional().describe('QuestDB user'),
    questdbPasswordFile: z.string().optional().describe('file that holds its password'),
    adminKeyFile: z.string().optional().describe('file that the first admin key is written to, or taken from'),
  })
  .refine((config) => (config.deviceCaCertFile === undefined) === (config.deviceCaKeyFile === undefined), {
    path: ['deviceCaKeyFile'],
    error: 'is needed with DEVICE_CA_CERT_FILE, and neither without the other',
  })
