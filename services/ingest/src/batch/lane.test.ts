import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { headers } from '@nats-io/nats-core'
import { Lane } from './lane.ts'
import type { Publisher, PublishFault, Settled } from './publisher.ts'

const full: PublishFault = { code: '10077', text: 'maximum bytes exceeded' }

/** A stream whose answers the test gives. */
const scripted = () => {
  const sent: { subject: string; settled: Settled }[] = []
  const reconnected: (() => void)[] = []
  const publisher = {
    send: ({ subject }: { subject: string }, settled: Settled) => void sent.push({ subject, settled }),
    onReconnect: (listener: () => void) => {
      reconnected.push(listener)
      return () => undefined
    },
  } as unknown as Publisher
  const stored: string[] = []
  const faults: (string | undefined)[] = []
  const lane = new Lane({ publisher, onFault: (fault) => void faults.push(fault?.code) })
  const push = (...subjects: string[]) => {
    for (const subject of subjects)
      lane.push({ subject, body: new Uint8Array(0), headers: headers(), onStored: () => void stored.push(subject) })
  }
  const take = () => sent.splice(0)
  return { lane, push, take, stored, faults, reconnect: () => reconnected.forEach((listener) => void listener()) }
}

test('many are in flight, a barrier waits for all before it', async () => {
  const { lane, push, take, stored } = scripted()
  push('a', 'b')
  let passed = false
  const barrier = lane.barrier().then(() => {
    passed = true
  })
  const [a, b] = take()
  b?.settled(undefined)
  await Promise.resolve()
  assert.equal(passed, false)
  a?.settled(undefined)
  await barrier
  assert.deepEqual(stored, ['b', 'a'])
  await lane.barrier()
})

test('after a refusal the rest waits, and the failed go first, at the start one alone', () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const { lane, push, take, stored, faults } = scripted()
    push('a', 'b', 'c')
    const [a, b, c] = take()
    a?.settled(full)
    push('d')
    assert.deepEqual(take(), [])
    c?.settled(full)
    b?.settled(undefined)
    assert.equal(lane.isStalled, true)
    assert.deepEqual(take(), [])
    mock.timers.tick(100)
    const again = take()
    assert.deepEqual(
      again.map(({ subject }) => subject),
      ['a'],
    )
    again[0]?.settled(undefined)
    const rest = take()
    assert.deepEqual(
      rest.map(({ subject }) => subject),
      ['c', 'd'],
    )
    for (const { settled } of rest) settled(undefined)
    assert.deepEqual(stored, ['b', 'a', 'c', 'd'])
    assert.deepEqual(faults, ['10077', '10077', undefined])
    assert.equal(lane.isStalled, false)
  } finally {
    mock.timers.reset()
  }
})

test('a connection that stands again ends the pause', () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const { push, take, reconnect } = scripted()
    push('a')
    take()[0]?.settled({ code: 'disconnected', text: '' })
    assert.deepEqual(take(), [])
    reconnect()
    assert.deepEqual(
      take().map(({ subject }) => subject),
      ['a'],
    )
  } finally {
    mock.timers.reset()
  }
})

test('a closed lane sends nothing more', () => {
  const { lane, push, take, stored } = scripted()
  push('a')
  const [a] = take()
  lane.close()
  a?.settled(undefined)
  push('b')
  assert.deepEqual([take(), stored], [[], []])
})
