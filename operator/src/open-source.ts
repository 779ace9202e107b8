/** Where resources come from, and who may act on them: a folder with one replica, or a Kubernetes cluster with a leader. */
import type { ProcessContext } from '@fleetloom/shared/process/run'
import type { Config } from './config.ts'
import { campaign, type Leadership, soleLeader } from './loop/leadership.ts'
import { createWriteGate, type WriteGate } from './loop/write-gate.ts'
import { createFilesSource } from './source/files.ts'
import { KubeApi } from './source/kube/kube-api.ts'
import { fromKubeconfig, inCluster } from './source/kube/kube-config.ts'
import { kubeSecrets } from './source/kube/kube-secrets.ts'
import { createKubeSource } from './source/kube/kube-source.ts'
import { type SecretReader, secretFiles } from './source/secrets.ts'
import type { Source } from './source/source.ts'
import { statusRoute } from './status/route.ts'

type Opened = {
  readonly source: Source
  /** Secrets that resources name. */
  readonly secrets: SecretReader
  readonly leadership: Leadership
  readonly gate: WriteGate
  /** The API server, where resources come from one. */
  readonly api?: KubeApi
  /** Routes that only this source has. */
  readonly routes: Readonly<Record<string, ReturnType<typeof statusRoute>>>
}

type Context = ProcessContext<Config>

const openFolder = async ({ config, log, registry, stack }: Context, folder: string): Promise<Opened> => {
  const source = stack.use(await createFilesSource({ folder, stateFile: config.stateFile, log }))
  const gate = createWriteGate(registry, soleLeader.mayWrite)
  const secrets = secretFiles(config.secrets)
  return { source, secrets, leadership: soleLeader, gate, routes: { '/status': statusRoute(source) } }
}

const openCluster = async ({ config, log, registry, stack }: Context): Promise<Opened> => {
  const cluster = config.kubeconfig === undefined ? await inCluster() : await fromKubeconfig(config.kubeconfig)
  const api = stack.use(new KubeApi(cluster))
  const { leaseNamespace: namespace, replica: identity, installation } = config
  const leadership = stack.use(campaign({ api, namespace, name: `${installation}-operator`, identity, log }))
  const gate = createWriteGate(registry, () => leadership.mayWrite())
  const beforeWrite = (): void => gate('kubernetes', 'resource')
  const source = stack.use(createKubeSource({ api, log, registry, instance: identity, beforeWrite }))
  return { source, secrets: kubeSecrets(api), leadership, gate, api, routes: {} }
}

/** Opens the source that the configuration names: MANIFESTS, or else a cluster. */
export const openSource = (context: Context): Promise<Opened> =>
  context.config.manifests === undefined ? openCluster(context) : openFolder(context, context.config.manifests)
