import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import type { PubAck } from '@nats-io/jetstream'
import { type Letter, Sender } from './sender.ts'

const letter = (order: string, body: string): Letter => ({ order, subject: 'alert', body, options: {} })
const { signal } = new AbortController()

type Publish = (body: string) => Promise<void>

const start = (publish: Publish) => {
  const published: string[] = []
  const js = {
    publish: async (_: string, body: unknown): Promise<PubAck> => {
      published.push(String(body))
      await publish(String(body))
      return {} as PubAck
    },
  }
  return { published, sender: new Sender({ js, log: createLogger('test', 'silent') }) }
}

const failing = (times: number, code?: number): Publish => {
  let left = times
  return () => (left-- > 0 ? Promise.reject(Object.assign(new Error('no'), { code })) : Promise.resolve())
}

test('what the stream does not take is tried again, and letters of its order wait for it', async () => {
  const { published, sender } = start(failing(1))
  assert.deepEqual(await Promise.all(['1', '2'].map((body) => sender.send(letter('a', body), signal))), [true, true])
  assert.deepEqual(published, ['1', '1', '2'])
  assert.equal(sender.underWay, 0)
})

test('letters of other orders do not wait', async () => {
  const gate = Promise.withResolvers<void>()
  const { sender } = start((body) => (body === 'held' ? gate.promise : Promise.resolve()))
  const held = sender.send(letter('a', 'held'), signal)
  assert.equal(await sender.send(letter('b', 'free'), signal), true)
  assert.equal(sender.underWay, 1)
  gate.resolve()
  await held
})

test('a message that the stream has already counts as taken', async () => {
  const { sender } = start(failing(1, 10071))
  assert.equal(await sender.send(letter('a', '1'), signal), false)
})

test('a letter that nobody wants any more is given up, and the next of its order goes on', async () => {
  const { sender } = start((body) => (body === '1' ? Promise.reject(new Error('no stream')) : Promise.resolve()))
  const unwanted = new AbortController()
  const first = sender.send(letter('a', '1'), unwanted.signal)
  const second = sender.send(letter('a', '2'), signal)
  unwanted.abort(new Error('gone'))
  await assert.rejects(first, /gone|aborted/)
  assert.equal(await second, true)
  assert.equal(sender.underWay, 0)
})

test('when the process stops all that is under way is given up', async () => {
  const { sender } = start(() => Promise.reject(new Error('no stream')))
  const all = [sender.send(letter('a', '1'), signal), sender.send(letter('a', '2'), signal)]
  sender[Symbol.dispose]()
  for (const one of all) await assert.rejects(one)
  assert.equal(sender.underWay, 0)
})
