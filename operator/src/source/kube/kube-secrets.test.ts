import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kubeSecrets } from './kube-secrets.ts'
import { type Answer, json, scriptedApi } from './testing.ts'

const HOOK = { namespace: 'cold', name: 'hook' }
const secret = (data: Record<string, string>, use = 'webhook') => ({
  metadata: { labels: { 'fleetloom.io/use': use } },
  data,
})
const text = (value: string): string => Buffer.from(value).toString('base64')
const forbidden = json(403, { reason: 'Forbidden', message: 'secrets "hook" is forbidden' })
const review = (username: string) => json(201, { status: { userInfo: { username } } })

const faultOf = async (...answers: Answer[]): Promise<string> => {
  await using server = await scriptedApi(...answers)
  const read = await kubeSecrets(server.api)(HOOK)
  return 'fault' in read ? read.fault : `it was read: ${read.value}`
}

test('the key of a labelled Secret is read byte by byte', async () => {
  await using server = await scriptedApi(json(200, secret({ key: text('hush\n') })))
  assert.deepEqual(await kubeSecrets(server.api)(HOOK), { value: Buffer.from('hush\n') })
  assert.deepEqual(server.asked, ['GET /api/v1/namespaces/cold/secrets/hook'])
})

test('a refusal names the commands that grant this Secret and no other, for who we are', async () => {
  const role =
    'kubectl create role fleetloom-reads-hook --namespace cold --verb=get --resource=secrets --resource-name=hook'
  const binding = 'kubectl create rolebinding fleetloom-reads-hook --namespace cold --role=fleetloom-reads-hook'
  assert.equal(
    await faultOf(forbidden, review('system:serviceaccount:fleetloom:fleetloom-operator')),
    `Secret cold/hook may not be read; let the operator read this one: ${role} && ${binding} --serviceaccount=fleetloom:fleetloom-operator`,
  )
  assert.match(await faultOf(forbidden, review('jane')), / --user=jane$/)
})

test('what is missing, not meant for us, empty or too long is said', async () => {
  assert.match(
    await faultOf(json(404, { reason: 'NotFound' })),
    /^there is no Secret cold\/hook: kubectl create secret generic hook/,
  )
  assert.match(
    await faultOf(json(200, secret({ key: text('x') }, 'other'))),
    /^Secret cold\/hook is not labelled for this use: kubectl label secret hook --namespace cold fleetloom.io\/use=webhook$/,
  )
  assert.equal(await faultOf(json(200, secret({ token: text('x') }))), 'Secret cold/hook has no key named key; add it')
  assert.match(await faultOf(json(200, secret({ key: '' }))), /is empty/)
  assert.match(
    await faultOf(json(200, secret({ key: text('x'.repeat(5_000)) }))),
    /holds 5000 bytes; at most 1024 are taken/,
  )
})

test('an API server that fails is no refusal, and many looks at once are one read', async () => {
  await using broken = await scriptedApi(json(500, { message: 'etcd is away' }))
  await assert.rejects(kubeSecrets(broken.api)(HOOK), /etcd is away/)
  await using server = await scriptedApi(json(200, secret({ key: text('x') })))
  let now = 0
  const secrets = kubeSecrets(server.api, () => now)
  await Promise.all([secrets(HOOK), secrets(HOOK)])
  assert.equal(server.asked.length, 1)
  now = 3_000
  await secrets(HOOK)
  assert.equal(server.asked.length, 2)
})
