/** The chart's webhook on a control plane that runs no pods: the API server asks the operator by a URL, as it is a process beside it. */
import { parseAllDocuments } from 'yaml'
import { chartYaml, type Kubernetes, RELEASE } from './kubernetes.ts'

const CONFIGURATION = `${RELEASE.namespace}-${RELEASE.name}-operator`
/** Name of the Secret with the authority of the webhook's certificates. */
export const WEBHOOK_SECRET = `${RELEASE.name}-operator-webhook`

type Document = { readonly kind: string; readonly webhooks?: readonly object[] }

/** Applies the chart's webhook configuration, with this port of the machine for its Service, and the Secret that goes with it. */
export const applyWebhook = async ({ controlPlane, apply }: Kubernetes, port: number): Promise<void> => {
  const yaml = await chartYaml(controlPlane, { templates: ['operator-webhook.yaml'] })
  const documents = parseAllDocuments(yaml).map((document) => document.toJS() as Document)
  const [configuration, secret] = ['ValidatingWebhookConfiguration', 'Secret'].map((kind) =>
    documents.find((one) => one.kind === kind),
  )
  if (!configuration?.webhooks || !secret)
    throw new Error('the chart has no webhook configuration, or no Secret for it')
  const webhooks = configuration.webhooks.map((webhook) => ({
    ...webhook,
    clientConfig: { url: `https://127.0.0.1:${port}` },
  }))
  await apply(JSON.stringify({ ...configuration, webhooks }))
  await apply(JSON.stringify(secret))
}

/** What an operator is told of it. */
export const webhookEnv = (port: number): Readonly<Record<string, string>> => ({
  WEBHOOK_CONFIGURATION: CONFIGURATION,
  WEBHOOK_SECRET,
  WEBHOOK_PORT: String(port),
})
