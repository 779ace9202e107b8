/** What the chart renders for each broker, as a real API server judges it: unknown fields, validation, Pod Security. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Kubernetes, RELEASE, startKubernetes } from '../cluster/kubernetes.ts'
import { SERVICES } from '../kit/services.ts'
import {
  BROKERS,
  INSTALLATIONS,
  type Manifest,
  manifestsOf,
  type Pod,
  render,
  workloadsOf,
} from './chart-under-test.ts'

const DRY_RUN = ['--dry-run=server', '--validate=strict', '--namespace', RELEASE.namespace]
const RESTRICTED = 'pod-security.kubernetes.io/enforce=restricted'

let kubernetes: Kubernetes

/** Pods are judged with their accounts there. */
const applyAccounts = async (): Promise<void> => {
  const accounts = manifestsOf(await render()).filter(({ kind }) => kind === 'ServiceAccount')
  await kubernetes.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: accounts }))
}

before(async () => {
  kubernetes = await startKubernetes()
  await kubernetes.kubectl(['label', 'namespace', RELEASE.namespace, RESTRICTED])
  await applyAccounts()
})
after(() => kubernetes?.[Symbol.asyncDispose]())

const judge = async (items: readonly object[]): Promise<number> => {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  const said = await kubernetes.kubectl(['apply', '-f', '-', ...DRY_RUN], list)
  return said.split('\n').filter((line) => line.endsWith(' (server dry run)')).length
}

const podOf = (name: string, { metadata, spec }: { readonly metadata: object; readonly spec: Pod }) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...metadata, name },
  spec,
})

for (const broker of BROKERS) {
  test(`on ${broker} every object is taken`, async () => {
    const objects: Manifest[] = manifestsOf(await render(INSTALLATIONS[broker]))
    assert.equal(await judge(objects), objects.length)
  })

  test(`on ${broker} a namespace that takes restricted pods only takes every pod`, async () => {
    const workloads = await workloadsOf(INSTALLATIONS[broker])
    const pods = SERVICES.map((service) => podOf(`judged-${service}`, workloads[service].spec.template))
    assert.equal(await judge(pods), pods.length)
  })
}

test('the judge tells a field that there is not, and a pod that may too much', async () => {
  const { metadata, spec } = (await workloadsOf({})).ingest.spec.template
  const pod = podOf('judged', { metadata, spec: { ...spec, securityContext: {} } })
  await assert.rejects(judge([pod]), /violates PodSecurity "restricted:latest": runAsNonRoot/)
  const misspelt = podOf('judged', { metadata, spec: { ...spec, serviceAccuntName: 'x' } as Pod })
  await assert.rejects(judge([misspelt]), /unknown field "(spec\.)?serviceAccuntName"/)
})
