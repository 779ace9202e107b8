/**
 * Where the API server is and who we are: a pod's service account, or a kubeconfig file with certificates or a token. Other
 * ways to log in (exec plugins, OIDC) are for people; use a kubeconfig with a service account's token instead.
 */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'

export type Cluster = {
  /** `https://host:port`, without a trailing slash. */
  readonly server: string
  readonly ca?: Buffer
  /** Client certificate and its key, PEM. */
  readonly client?: { readonly cert: Buffer; readonly key: Buffer }
  /** Bearer token; asked before each request, because a pod's token is renewed under it. */
  readonly token: () => Promise<string | undefined>
}

export class KubeConfigError extends Error {
  override name = 'KubeConfigError'
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const TOKEN_FRESH_MS = 60_000

/** Reads the file at most once a minute. */
const tokenFile = (path: string, now: () => number = Date.now): Cluster['token'] => {
  let held: { readonly token: string; readonly atMs: number } | undefined
  return async () => {
    if (!held || now() - held.atMs > TOKEN_FRESH_MS)
      held = { token: (await readFile(path, 'utf8')).trim(), atMs: now() }
    return held.token
  }
}

type Env = Readonly<Record<string, string | undefined>>

/** The cluster that this pod runs in. @throws KubeConfigError outside of a pod. */
export const inCluster = async (env: Env = process.env, folder = SERVICE_ACCOUNT): Promise<Cluster> => {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  if (host === undefined)
    throw new KubeConfigError(
      'not in a pod: set KUBECONFIG to a kubeconfig file, or MANIFESTS to a folder of manifests',
    )
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  return { server, ca: await readFile(`${folder}/ca.crt`), token: tokenFile(`${folder}/token`) }
}

const named = <Shape extends z.ZodRawShape>(key: string, shape: Shape) =>
  z.array(z.object({ name: z.string(), [key]: z.object(shape) })).default([])

const kubeconfig = z.object({
  'current-context': z.string(),
  contexts: named('context', { cluster: z.string(), user: z.string() }),
  clusters: named('cluster', {
    server: z.url({ protocol: /^https$/ }),
    'certificate-authority': z.string().optional(),
    'certificate-authority-data': z.base64().optional(),
  }),
  users: named('user', {
    'client-certificate': z.string().optional(),
    'client-certificate-data': z.base64().optional(),
    'client-key': z.string().optional(),
    'client-key-data': z.base64().optional(),
    token: z.string().optional(),
    tokenFile: z.string().optional(),
    exec: z.unknown().optional(),
    'auth-provider': z.unknown().optional(),
  }),
})

type Fields = Readonly<Record<string, unknown>>

const pick = (list: readonly unknown[], key: string, name: string): Fields => {
  const found = (list as readonly (Fields & { name: string })[]).find((one) => one.name === name)
  if (!found) throw new KubeConfigError(`has no ${key} "${name}"`)
  return found[key] as Fields
}

/** A field given in place as base64, or as the path of a file beside the kubeconfig. */
const content = async (fields: Fields, key: string, folder: string): Promise<Buffer | undefined> => {
  const data = fields[`${key}-data`]
  if (typeof data === 'string') return Buffer.from(data, 'base64')
  const path = fields[key]
  return typeof path === 'string' ? readFile(resolve(folder, path)) : undefined
}

const tokenOf = ({ token, tokenFile: path }: Fields, folder: string): Cluster['token'] =>
  typeof path === 'string' ? tokenFile(resolve(folder, path)) : async () => token as string | undefined

const clusterOf = async (text: string, folder: string): Promise<Cluster> => {
  const parsed = kubeconfig.safeParse(parse(text))
  if (!parsed.success) throw new KubeConfigError(z.prettifyError(parsed.error).replaceAll('\n', ' '))
  const { contexts, clusters, users, 'current-context': current } = parsed.data
  const context = pick(contexts, 'context', current)
  const cluster = pick(clusters, 'cluster', String(context.cluster))
  const user = pick(users, 'user', String(context.user))
  if (user.exec !== undefined || user['auth-provider'] !== undefined)
    throw new KubeConfigError(`user "${context.user}" logs in by a plugin; give it a client certificate or a token`)
  const [ca, cert, key] = await Promise.all([
    content(cluster, 'certificate-authority', folder),
    content(user, 'client-certificate', folder),
    content(user, 'client-key', folder),
  ])
  return {
    server: String(cluster.server).replace(/\/$/, ''),
    ...(ca && { ca }),
    ...(cert && key && { client: { cert, key } }),
    token: tokenOf(user, folder),
  }
}

/** The current context of a kubeconfig file. @throws KubeConfigError naming the file and what is wrong with it. */
export const fromKubeconfig = async (path: string): Promise<Cluster> => {
  try {
    return await clusterOf(await readFile(path, 'utf8'), dirname(path))
  } catch (error) {
    throw new KubeConfigError(`kubeconfig ${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
