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

/** The Secret as it was read: labels and all else that others wrote stay. */
export type Secret = {
  readonly metadata: { readonly resourceVersion?: string }
  readonly data?: Readonly<Record<string, string>>
}

export type StoredAuthority = { readonly authority: Authority | undefined; readonly secret: Secret }

const encoded = (texts: Readonly<Record<string, string>>): Secret['data'] =>
  Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString('base64')]))

/** The Secret of the authority, which is there, empty at first; each write is of the version that was read. */
export const authoritySecret = (api: KubeApi, { namespace, name }: Ref, beforeWrite: BeforeWrite) => {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(name)}`
  return {
    read: async (nowMs: number): Promise<StoredAuthority> => {
      const secret = await orNone(api.request<Secret>({ method: 'GET', path }))
      if (!secret)
        throw new Error(
          `there is no Secret ${namespace}/${name}: the chart makes it empty, and the operator may not; apply the chart again, or run ` +
            `kubectl create secret generic ${name} -n ${namespace}`,
        )
      return { authority: authorityOf(secret.data ?? {}, nowMs), secret }
    },
    write: async (authority: Authority, secret: Secret): Promise<void> => {
      beforeWrite('secret')
      await api.request({ method: 'PUT', path, body: { ...secret, data: encoded(secretDataOf(authority)) } })
    },
  }
}

type Webhook = {
  readonly name: string
  readonly clientConfig: {
    readonly caBundle?: string
    readonly url?: string
    readonly service?: { readonly namespace: string; readonly name: string; readonly path?: string }
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

/** How the API server is to reach us: what it trusts, PEM, and the path that it asks under. */
export type Trust = { readonly bundle: string; readonly path: string }

type Field = readonly [pointer: string, have: string | undefined, want: string]

const fieldsOf = ({ clientConfig: { caBundle, service, url } }: Webhook, { bundle, path }: Trust): readonly Field[] => [
  ['caBundle', caBundle, Buffer.from(bundle).toString('base64')],
  ...(service ? [['service/path', service.path, path] as const] : []),
  ...(url === undefined ? [] : [['url', url, new URL(path, url).href] as const]),
]

/** Changes that make every webhook so; none where all are. */
export const trustPatch = ({ webhooks = [] }: WebhookConfiguration, trust: Trust): readonly object[] =>
  webhooks.flatMap((webhook, i) => {
    const changed = fieldsOf(webhook, trust).filter(([, have, want]) => have !== want)
    if (changed.length === 0) return []
    const at = `/webhooks/${i}`
    return [
      { op: 'test', path: `${at}/name`, value: webhook.name },
      ...changed.map(([pointer, , value]) => ({ op: 'add', path: `${at}/clientConfig/${pointer}`, value })),
    ]
  })

export const webhookConfiguration = (api: KubeApi, name: string, beforeWrite: BeforeWrite) => {
  const path = `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/${encodeURIComponent(name)}`
  return {
    read: () => orNone(api.request<WebhookConfiguration>({ method: 'GET', path })),
    /** Makes the API server reach us so; nothing is written where it does. */
    trust: async (have: WebhookConfiguration, trust: Trust): Promise<void> => {
      const body = trustPatch(have, trust)
      if (body.length === 0) return
      beforeWrite('validatingwebhookconfiguration')
      await api.request({ method: 'PATCH', path, body, contentType: JSON_PATCH })
    },
  }
}
