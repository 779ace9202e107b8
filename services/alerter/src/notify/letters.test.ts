import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { deadLetterOf } from '@fleetloom/shared/dead-letters/dead-letter'
import type { JetStreamClient } from '@nats-io/jetstream'
import { transitionOf } from '../testing.ts'
import { createLetters, KEPT_OF_NOTIFICATION } from './letters.ts'
import { messageOfTransition } from './message.ts'

type Published = { readonly subject: string; readonly body: Buffer; readonly letter: ReturnType<typeof deadLetterOf> }

const fixture = () => {
  const published: Published[] = []
  const publish: JetStreamClient['publish'] = async (subject, body, options) => {
    published.push({ subject, body: Buffer.from(body as Uint8Array), letter: deadLetterOf(options?.headers) })
    return { stream: '', seq: 1, duplicate: false }
  }
  const letters = createLetters({ publish } as unknown as JetStreamClient, namesOf('fleetloom'))
  return { letters, published }
}

const TOLD = { reason: 'notification_failed', receiver: 'webhook https://a.example', detail: 'HTTP 410' } as const

test('a letter holds what the receiver was to hear, on the subject of the fleet and the reason', async () => {
  const { letters, published } = fixture()
  await letters.notification(transitionOf(), TOLD)
  assert.equal(published[0]?.subject, 'dead.coldchain.reefers.notification_failed')
  assert.equal(String(published[0]?.body), messageOfTransition(transitionOf()))
})

test('a long notification is cut in its letter, which tells its length and hash', async () => {
  const { letters, published } = fixture()
  const one = transitionOf({ annotations: { text: 'x'.repeat(16_000) } })
  await letters.notification(one, TOLD)
  const whole = Buffer.from(messageOfTransition(one))
  assert.deepEqual(published[0]?.body, whole.subarray(0, KEPT_OF_NOTIFICATION))
  assert.equal(published[0]?.letter?.payloadBytes, whole.length)
  assert.equal(published[0]?.letter?.payloadSha256, createHash('sha256').update(whole).digest('hex'))
})
