import { DURATION, durationMs } from '@fleetloom/crds/units'
import { brokerConfig, emqxLimitsConfig } from '@fleetloom/shared/broker/connect'
import { commonConfig, natsConfig } from '@fleetloom/shared/process/config'
import { z } from 'zod'

const whole = z.coerce.number().int()

export const config = z.object({
  ...commonConfig,
  ...natsConfig,
  manifests: z
    .string()
    .optional()
    .describe('folder of YAML manifests to watch (standalone mode); unset: resources come from the Kubernetes API'),
  kubeconfig: z.string().optional().describe('kubeconfig file; unset: the service account of the pod this runs in'),
  leaseNamespace: z.string().default('default').describe('namespace of the Lease by which the replicas elect one'),
  stateFile: z
    .string()
    .default('operator-state.json')
    .describe('file that keeps uids, generations and status of the manifests'),
  sharedPrefix: z
    .string()
    .default('')
    .describe('topic prefixes granted to namespaces, e.g. sensors/=climate; several are joined by commas'),
  webhookConfiguration: z
    .string()
    .optional()
    .describe('ValidatingWebhookConfiguration that asks this operator; unset: it judges nothing at admission'),
  webhookSecret: z
    .string()
    .default('fleetloom-operator-webhook')
    .describe(
      "Secret in LEASE_NAMESPACE with the authority of the webhook's certificates, and the path it is asked under; filled in where it is empty",
    ),
  webhookPort: whole.min(0).max(65535).default(9443).describe('port on HTTP_HOST that the API server asks, over HTTPS'),
  platformKeyFile: z
    .string()
    .describe("file that holds the platform key, of which the ingest sessions' passwords are derived"),
  platformKeyPreviousFile: z
    .string()
    .optional()
    .describe('file that holds the platform key before this one: what it sealed is sealed anew; unset: there was none'),
  secrets: z
    .string()
    .optional()
    .describe('folder of secrets that rules name, as files NAMESPACE/NAME/key (standalone mode only)'),
  ...brokerConfig('fleetloom_operator'),
  ...emqxLimitsConfig,
  questdbUrl: z.url().default('http://127.0.0.1:9000').describe('QuestDB over HTTP'),
  questdbUser: z.string().default('admin').describe('QuestDB user'),
  questdbPasswordFile: z.string().describe('file that holds its password'),
  alertsTtl: z
    .string()
    .regex(DURATION)
    .refine(
      (text) => durationMs(text) >= 28 * 24 * 3_600_000,
      'must be at least 28d: the table has a partition a month',
    )
    .default('1y')
    .describe('how long the history of alerts is kept, e.g. 90d; whole months'),
  eventsTtl: z
    .string()
    .regex(/^[1-9][0-9]{0,4}(d|w|y)$/, 'must be whole days, weeks or years such as 90d')
    .default('90d')
    .describe('how long events are kept; longer in a namespace where a fleet accepts older ones'),
  resyncMs: whole
    .min(1_000)
    .max(60_000)
    .default(20_000)
    .describe('pause between two looks at everything: drift is repaired within it'),
  workers: whole.min(1).max(64).default(4).describe('resources converged at once'),
  brokerQueueMessages: whole
    .min(1)
    .default(1_000_000)
    .describe('messages the broker queues for a session: mosquitto, as it is configured; emqx, as it gets configured'),
  brokerQueueBytes: whole
    .min(1)
    .default(1024 ** 3)
    .describe('bytes the broker queues for a session, as it is configured'),
})

export type Config = z.infer<typeof config>
