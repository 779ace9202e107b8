import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Receiver } from '@fleetloom/shared/alerts/rule-document'
import { open, ruleContext, sealKeys } from '@fleetloom/shared/alerts/seal'
import type { SecretRead } from '../source/secrets.ts'
import { receiversOf } from './receivers.ts'
import { aRule } from './testing.ts'

const keys = sealKeys(Buffer.from('platform key'))
const url = 'https://hooks.example.com/cold?token=in-the-url'
const rule = aRule({
  notify: [{ alertmanager: {} }, { webhook: { url, secretRef: { name: 'hook' } } }, { mqtt: {} }],
})
const reader = (read: SecretRead) => ({ keys, secrets: async () => read })
const holding = (text: string) => reader({ value: Buffer.from(text) })

const secretOf = (notify: readonly Receiver[]) => {
  const [found] = notify.flatMap((one) => (one.kind === 'webhook' ? [one.secret] : []))
  if (!found) throw new Error('no webhook with a secret')
  return found
}

test('each receiver is told as the alerter needs it, its secret sealed for this rule', async () => {
  const { notify, faults } = await receiversOf(rule, holding('hook-secret'), [])
  assert.deepEqual(faults, [])
  const secret = secretOf(notify)
  assert.deepEqual(notify, [
    { kind: 'alertmanager' },
    { kind: 'webhook', url, secret },
    { kind: 'mqtt', topic: 'fleets/cold/reefers/{device}/alerts' },
  ])
  assert.equal(open(keys, secret, ruleContext(rule.metadata)).toString(), 'hook-secret')
})

test('an unchanged secret keeps its seal; a changed secret, a new key or another rule has a new one', async () => {
  const first = await receiversOf(rule, holding('hook-secret'), [])
  assert.deepEqual(await receiversOf(rule, holding('hook-secret'), first.notify), first)
  const rotated = { ...holding('hook-secret'), keys: sealKeys(Buffer.from('new key'), Buffer.from('platform key')) }
  const others = [
    await receiversOf(rule, holding('changed'), first.notify),
    await receiversOf(rule, rotated, first.notify),
    await receiversOf(aRule(rule.spec, { uid: 'r-2' }), holding('hook-secret'), first.notify),
  ]
  for (const { notify } of others) assert.notDeepEqual(secretOf(notify), secretOf(first.notify))
  assert.equal(secretOf(others[1]?.notify ?? []).keyId, rotated.keys[0].id)
})

test('a webhook whose secret can not be read is left out, and said so without its address', async () => {
  const { notify, faults } = await receiversOf(rule, reader({ fault: 'there is no Secret cold/hook' }), [])
  assert.deepEqual(
    notify.map(({ kind }) => kind),
    ['alertmanager', 'mqtt'],
  )
  assert.deepEqual(faults, ['there is no Secret cold/hook (until then hooks.example.com hears of no alert)'])
})
