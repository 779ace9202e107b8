/** The two objects of the API server that admission needs: the Secret of its authority, and its webhook configuration. */
import type { Ref } from '@fleetloom/crds/names'
import { JSON_PATCH, type KubeApi, KubeError } from '../source/kube/kube-api.ts'
import { type Authority, authorityOf, secretDataOf } from './rotation.ts'

/** Called before each write; throws when this replica may not write. */
export type BeforeWrite = (what: string) => void

const orNone = async <T>(request: Promise<T>): Promise<T | undefined> => {
  try {
    return await request
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return undefined
    throw error
  }
}

type Secret = {
  readonly metadata: { readonly resourceVersion: string }
  readonly data?: Readonly<Record<string, string>>
}

export type StoredAuthority = { readonly authority: Authority | undefined; readonly version: string | undefined }

/** The Secret of the authority; each write is of the version that was read. */
export const authoritySecret = (api: KubeApi, { namespace, name }: Ref, beforeWrite: BeforeWrite) => {
  const collection = `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`
  const path = `${collection}/${encodeURIComponent(name)}`
  return {
    read: async (nowMs: number): Promise<StoredAuthority> => {
      const secret = await orNone(api.request<Secret>({ method: 'GET', path }))
      return { authority: authorityOf(secret?.data ?? {}, nowMs), version: secret?.metadata.resourceVersion }
    },
    write: async (authority: Authority, version: string | undefined): Promise<void> => {
      beforeWrite('secret')
      const metadata = { namespace, name, ...(version !== undefined && { resourceVersion: version }) }
      const body = { apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', stringData: secretDataOf(authority) }
      await api.request(
        version === undefined ? { method: 'POST', path: collection, body } : { method: 'PUT', path, body },
      )
    },
  }
}

type Webhook = {
  readonly name: string
  readonly clientConfig: {
    readonly caBundle?: string
    readonly url?: string
    readonly service?: { readonly namespace: string; readonly name: string }
  }
}
export type WebhookConfiguration = { readonly webhooks?: readonly Webhook[] }

/** Names by which the API server reaches us, as the configuration has them. */
export const serverNames = ({ webhooks = [] }: WebhookConfiguration): readonly string[] => {
  const names = webhooks.flatMap(({ clientConfig: { service, url } }) => {
    if (service) return [`${service.name}.${service.namespace}.svc`]
    return url === undefined ? [] : [new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')]
  })
  return [...new Set(names)].sort()
}

/** Changes that give every webhook this bundle, base64. */
export const bundlePatch = ({ webhooks = [] }: WebhookConfiguration, caBundle: string): readonly object[] =>
  webhooks.flatMap(({ name, clientConfig }, i) =>
    clientConfig.caBundle === caBundle
      ? []
      : [
          { op: 'test', path: `/webhooks/${i}/name`, value: name },
          { op: 'add', path: `/webhooks/${i}/clientConfig/caBundle`, value: caBundle },
        ],
  )

export const webhookConfiguration = (api: KubeApi, name: string, beforeWrite: BeforeWrite) => {
  const path = `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/${encodeURIComponent(name)}`
  return {
    read: () => orNone(api.request<WebhookConfiguration>({ method: 'GET', path })),
    /** Makes the API server trust this bundle; nothing is written where it does. */
    trust: async (have: WebhookConfiguration, bundle: string): Promise<void> => {
      const body = bundlePatch(have, Buffer.from(bundle).toString('base64'))
      if (body.length === 0) return
      beforeWrite('validatingwebhookconfiguration')
      await api.request({ method: 'PATCH', path, body, contentType: JSON_PATCH })
    },
  }
}
