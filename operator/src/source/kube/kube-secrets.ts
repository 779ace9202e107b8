/**
 * Secrets of the API server. The operator has no right on any Secret: a tenant labels one for us and grants `get` on that one alone.
 * A refusal therefore ends in the commands that grant it, for the account that we are.
 */
import { label, type Ref } from '@fleetloom/crds/names'
import { type SecretRead, type SecretReader, usable, WEBHOOK_KEY } from '../secrets.ts'
import { type KubeApi, KubeError } from './kube-api.ts'

export const USE_LABEL = 'fleetloom.io/use'
export const USE_WEBHOOK = 'webhook'

type SecretObject = {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> }
  readonly data?: Readonly<Record<string, string>>
}

type Review = { readonly status?: { readonly userInfo?: { readonly username?: string } } }

/** How many reads are kept, and for how long: many looks at one rule within moments are one read. */
const KEPT = { reads: 1_000, freshMs: 2_000 } as const

const ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/

/** Who we are, as options of `kubectl create rolebinding`. */
const whoAmI = async (api: KubeApi): Promise<string> => {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  const { status } = await api.request<Review>({ method: 'POST', path, body })
  const user = status?.userInfo?.username ?? ''
  const [, namespace, name] = ACCOUNT.exec(user) ?? []
  return name === undefined ? `--user=${user}` : `--serviceaccount=${namespace}:${name}`
}

/** Commands by which a tenant lets the operator read this Secret and no other. */
export const grantCommands = ({ namespace, name }: Ref, subject: string): string => {
  const role = `fleetloom-reads-${name}`
  return (
    `kubectl create role ${role} --namespace ${namespace} --verb=get --resource=secrets --resource-name=${name} && ` +
    `kubectl create rolebinding ${role} --namespace ${namespace} --role=${role} ${subject}`
  )
}

const judge = (ref: Ref, { metadata, data }: SecretObject): SecretRead => {
  const { namespace, name } = ref
  if (metadata.labels?.[USE_LABEL] !== USE_WEBHOOK)
    return {
      fault: `Secret ${label(ref)} is not labelled for this use: kubectl label secret ${name} --namespace ${namespace} ${USE_LABEL}=${USE_WEBHOOK}`,
    }
  const text = data?.[WEBHOOK_KEY]
  if (text === undefined) return { fault: `Secret ${label(ref)} has no key named ${WEBHOOK_KEY}; add it` }
  return usable(Buffer.from(text, 'base64'), `key ${WEBHOOK_KEY} of Secret ${label(ref)}`)
}

/** How the API server refused, in words; undefined for a fault that is not a refusal. */
const refusalOf = async (ref: Ref, error: unknown, me: () => Promise<string>): Promise<string | undefined> => {
  if (!(error instanceof KubeError)) return undefined
  const { namespace, name } = ref
  if (error.status === 404)
    return `there is no Secret ${label(ref)}: kubectl create secret generic ${name} --namespace ${namespace} --from-literal=${WEBHOOK_KEY}=TEXT, then label it: kubectl label secret ${name} --namespace ${namespace} ${USE_LABEL}=${USE_WEBHOOK}`
  if (error.status !== 403) return undefined
  return `Secret ${label(ref)} may not be read; let the operator read this one: ${grantCommands(ref, await me())}`
}

export const kubeSecrets = (api: KubeApi, now: () => number = Date.now): SecretReader => {
  let subject: Promise<string> | undefined
  const me = (): Promise<string> => {
    subject ??= whoAmI(api).catch((error) => {
      subject = undefined
      throw error
    })
    return subject
  }
  const read = async (ref: Ref): Promise<SecretRead> => {
    const part = encodeURIComponent
    const path = `/api/v1/namespaces/${part(ref.namespace)}/secrets/${part(ref.name)}`
    try {
      return judge(ref, await api.request<SecretObject>({ method: 'GET', path }))
    } catch (error) {
      const fault = await refusalOf(ref, error, me)
      if (fault === undefined) throw error
      return { fault }
    }
  }
  const kept = new Map<string, { readonly atMs: number; readonly answer: Promise<SecretRead> }>()
  return (ref) => {
    const held = kept.get(label(ref))
    if (held && now() - held.atMs < KEPT.freshMs) return held.answer
    if (kept.size >= KEPT.reads) kept.clear()
    const answer = read(ref)
    kept.set(label(ref), { atMs: now(), answer })
    return answer
  }
}
