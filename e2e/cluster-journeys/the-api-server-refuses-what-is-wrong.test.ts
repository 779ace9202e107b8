/** The CRDs and the admission policy on a real API server: what is refused, in which words, and what is filled in. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { KubeError } from '@fleetloom/operator/source/kube/kube-api'
import { collectionPath, objectPath } from '@fleetloom/operator/source/kube/objects'
import type { Kind } from '@fleetloom/operator/source/source'
import { CEL_CASES, type CelCase, caseResource, type Fields } from '@fleetloom/operator/source/testing'
import { type Kubernetes, startKubernetes } from '../cluster/kubernetes.ts'
import { ROOT } from '../tools/paths.ts'

const GRANTED = 'climate'
const SHARED_PREFIXES = ['sensors/', 'plant/', 'fleets2/', 'a/'].map((prefix) => ({ prefix, namespace: GRANTED }))
const DRY_RUN = { dryRun: 'All', fieldValidation: 'Strict' } as const

let kubernetes: Kubernetes

before(async () => {
  kubernetes = await startKubernetes({ values: { sharedPrefixes: SHARED_PREFIXES } })
  for (const namespace of ['tenant-a', 'tenant-b', 'climate', 'coldchain', 'lab', 'weather'])
    await kubernetes.kubectl(['create', 'namespace', namespace])
})

after(async () => {
  await kubernetes[Symbol.asyncDispose]()
})

const filesOf = (folder: string) => {
  const path = join(ROOT, 'crds', folder)
  return readdirSync(path).map((file) => ({ file, text: readFileSync(join(path, file), 'utf8') }))
}

const linesAfter = (text: string, start: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith(start))
    .map((line) => line.slice(start.length))

/** The faults that an answer of the API server names, each as `field: words`; a rule about the whole resource has no field. */
const faultsOf = (message: string): string[] =>
  message
    .replace(/^.*? is invalid: \[?/s, '')
    .split(/\n\* |, (?=(?:spec|<nil>)[.:[])/)
    .map((fault) => fault.replace(/^\* /, '').trim())
    .filter((fault) => !fault.includes('some validation rules were not checked'))

/** `spec.a: must be b` is said by `spec.a: Invalid value: "c": must be b`. */
const says = (fault: string, expected: string): boolean => {
  const [, field = '', words = expected] = /^(spec[^:]*): (.*)$/s.exec(expected) ?? []
  return fault.startsWith(field) && fault.includes(words)
}

const refusal = (text: string): Promise<string> =>
  kubernetes.kubectl(['apply', '--dry-run=server', '-f', '-'], text).then(
    () => '',
    (error: Error) => error.message,
  )

for (const { file, text } of filesOf('invalid')) {
  const [accepted] = linesAfter(text, '# accepted-by-kubernetes: ')
  if (accepted !== undefined) continue
  test(`${file} is refused with the message it names`, async () => {
    const own = linesAfter(text, '# expect-kubernetes: ')
    const wanted = own.length > 0 ? own : linesAfter(text, '# expect: ')
    const message = await refusal(text)
    assert.notEqual(message, '', 'it was accepted')
    for (const want of wanted)
      assert.ok(
        faultsOf(message).some((fault) => says(fault, want)),
        `${want}\nis not said by\n${message}`,
      )
  })
}

for (const { file, text } of filesOf('examples'))
  test(`the example ${file} is accepted, and nothing of it is dropped`, async () => {
    assert.match(
      await kubernetes.kubectl(['apply', '--dry-run=server', '--validate=strict', '-f', '-'], text),
      /created/,
    )
  })

const send = async (method: 'POST' | 'PUT', kind: Kind, object: Fields, query: Record<string, string> = {}) => {
  const metadata = object.metadata as { name: string; namespace: string }
  const path = method === 'POST' ? collectionPath(kind, metadata.namespace) : objectPath(kind, metadata)
  return kubernetes.api.request<Fields>({ method, path, query, body: object })
}

const judged = async (request: Promise<unknown>): Promise<string> =>
  request.then(
    () => '',
    (error: Error) => {
      if (error instanceof KubeError && [403, 422].includes(error.status)) return error.message
      throw error
    },
  )

/** What the API server says of a case: of the resource made, or changed from its old version. */
const judge = async ({ kind, set, old }: CelCase): Promise<string> => {
  // Where the prefixes of the cases are granted, so that only the rules speak.
  const inGranted = (fields: Fields) => caseResource(kind, { ...fields, 'metadata.namespace': GRANTED })
  const wanted = inGranted(set)
  if (!old) return judged(send('POST', kind, wanted, DRY_RUN))
  const before = await send('POST', kind, inGranted(old))
  const { resourceVersion } = before.metadata as { resourceVersion: string }
  const next = { ...wanted, metadata: { ...(wanted.metadata as object), resourceVersion } }
  try {
    return await judged(send('PUT', kind, next, DRY_RUN))
  } finally {
    await kubernetes.api.request({ method: 'DELETE', path: objectPath(kind, before.metadata as never) })
  }
}

test('the cases of the CEL rules are judged as in standalone mode', async (t) => {
  for (const one of CEL_CASES)
    await t.test(one.case, async () => {
      const message = await judge(one)
      if (one.expect.length === 0) return assert.equal(message, '')
      const faults = faultsOf(message)
      for (const want of one.expect)
        assert.ok(
          faults.some((fault) => says(fault, want)),
          `${want}\nnot in\n${message}`,
        )
    })
})

test('a prefix is for the namespace that it was granted to, in fleets and in rules', async () => {
  const fleet = (namespace: string) =>
    JSON.stringify({
      apiVersion: 'fleetloom.io/v1alpha1',
      kind: 'DeviceFleet',
      metadata: { name: 'rooms', namespace },
      spec: {
        measurements: [{ name: 'temperature', type: 'Double' }],
        topics: { telemetry: ['sensors/{device}/{measurement}'] },
      },
    })
  assert.equal(await refusal(fleet('climate')), '')
  assert.match(await refusal(fleet('tenant-b')), /tenant-b\/rooms asks for sensors\/\{device\}\/\{measurement\}, which/)
  const rule = (namespace: string) =>
    JSON.stringify({
      apiVersion: 'fleetloom.io/v1alpha1',
      kind: 'AlertRule',
      metadata: { name: 'warm', namespace },
      spec: {
        fleet: 'rooms',
        when: 'last(temperature) > 1.0',
        notify: [{ mqtt: { topic: 'sensors/{device}/alerts' } }],
      },
    })
  assert.equal(await refusal(rule('climate')), '')
  assert.match(await refusal(rule('tenant-b')), /tenant-b\/warm asks for sensors\/\{device\}\/alerts/)
})

test('kubectl explain is the manual: every field of a spec has a description', async () => {
  const walk = (schema: Fields, path: string): string[] => {
    const properties = (schema.properties ?? (schema.items as Fields | undefined)?.properties ?? {}) as Record<
      string,
      Fields
    >
    return Object.entries(properties).flatMap(([name, child]) => [
      ...(typeof child.description === 'string' ? [] : [`${path}.${name}`]),
      ...walk(child, `${path}.${name}`),
    ])
  }
  for (const crd of ['devicefleets.fleetloom.io', 'alertrules.fleetloom.io']) {
    const { spec } = JSON.parse(await kubernetes.kubectl(['get', 'crd', crd, '--output', 'json'])) as {
      spec: { versions: { schema: { openAPIV3Schema: { properties: { spec: Fields } } } }[] }
    }
    assert.deepEqual(walk(spec.versions[0]?.schema.openAPIV3Schema.properties.spec as Fields, 'spec'), [])
  }
  const explained = await kubernetes.kubectl(['explain', 'df.spec.storage.ttl'])
  assert.match(explained, /FIELD: ttl <string>/)
  assert.match(explained, /a whole multiple of partitionBy/)
})
