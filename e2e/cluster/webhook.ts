/** The chart's webhook on a control plane that runs no pods: the API server asks the operator by a URL, as it is a process beside it. */
import { parseAllDocuments } from 'yaml'
import { chartYaml, type Kubernetes, RELEASE } from './kubernetes.ts'

const CONFIGURATION = `${RELEASE.namespace}-${RELEASE.name}-operator`
/** Name of the Secret with the authority of the webhook's certificates. */
export const WEBHOOK_SECRET = `${RELEASE.name}-operator-webhook`

type Configuration = {
  readonly kind: string
  readonly webhooks: readonly { readonly clientConfig: { readonly service: { readonly path: string } } }[]
}

/** Applies the chart's webhook configuration, with this port of the machine for its Service. */
export const applyWebhook = async ({ controlPlane, apply }: Kubernetes, port: number): Promise<void> => {
  const yaml = await chartYaml(controlPlane, { templates: ['operator-webhook.yaml'] })
  const documents = parseAllDocuments(yaml).map((document) => document.toJS() as Configuration)
  const found = documents.find(({ kind }) => kind === 'ValidatingWebhookConfiguration')
  if (!found) throw new Error('the chart has no webhook configuration')
  const webhooks = found.webhooks.map((webhook) => {
    const { path } = webhook.clientConfig.service
    return { ...webhook, clientConfig: { url: `https://127.0.0.1:${port}${path}` } }
  })
  await apply(JSON.stringify({ ...found, webhooks }))
}

/** What an operator is told of it. */
export const webhookEnv = (port: number): Readonly<Record<string, string>> => ({
  WEBHOOK_CONFIGURATION: CONFIGURATION,
  WEBHOOK_SECRET,
  WEBHOOK_PORT: String(port),
})
