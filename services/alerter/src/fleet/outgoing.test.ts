import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transitionOf } from '../testing.ts'
import type { Found } from './letters.ts'
import { Outgoing } from './outgoing.ts'

const found = (device: string): Found => ({ transition: transitionOf({ device }) })
const presence = (device: string): Found => ({ presence: { device, online: true, atMs: 1, lastSeenMs: 1 } })

const start = () => {
  const sent: { readonly found: Found; readonly done: () => void; readonly signal: AbortSignal }[] = []
  const outgoing = new Outgoing({
    send: (one, signal) => new Promise((resolve) => sent.push({ found: one, done: () => resolve(true), signal })),
  })
  return { sent, outgoing }
}

/** Whether a promise is settled when everything had its turn. */
const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  const later = new Promise((resolve) => setImmediate(resolve, 'later'))
  return (await Promise.race([promise, later])) !== 'later'
}

test('what is held goes out when it is released, oldest first; a checkpoint keeps all that no stream has', async () => {
  const { sent, outgoing } = start()
  outgoing.send(found('a'))
  for (const device of ['b', 'c']) outgoing.hold(found(device))
  assert.deepEqual(outgoing.all(), ['a', 'b', 'c'].map(found))
  outgoing.release(outgoing.holding().slice(0, 1))
  assert.deepEqual(
    sent.map((one) => one.found),
    ['a', 'b'].map(found),
  )
  sent[0]?.done()
  await new Promise(setImmediate)
  assert.deepEqual(outgoing.all(), ['b', 'c'].map(found))
  assert.equal(outgoing.held, 1)
})

test('there is room again as soon as one of the thousand is in its stream, or the wait is given up', async () => {
  const { sent, outgoing } = start()
  const stop = new AbortController()
  for (let i = 0; i < 999; i++) outgoing.send(found(`d-${i}`))
  assert.equal(await isSettled(outgoing.room(stop.signal)), true)
  outgoing.hold(found('last'))
  const [room, other] = [outgoing.room(new AbortController().signal), outgoing.room(stop.signal)]
  assert.equal(await isSettled(room), false)
  stop.abort(new Error('stopped'))
  await assert.rejects(other, /stopped/)
  sent[0]?.done()
  await room
})

test('the presence of a fleet that is gone is given up, its transitions are not; what came later is not released', () => {
  const { sent, outgoing } = start()
  for (const one of [found('a'), presence('a')]) outgoing.send(one)
  for (const one of [found('b'), presence('b')]) outgoing.hold(one)
  const holding = outgoing.holding()
  outgoing.giveUpPresence()
  outgoing.hold(found('c'))
  assert.deepEqual(
    sent.map(({ signal }) => signal.aborted),
    [false, true],
  )
  outgoing.release(holding)
  assert.deepEqual(sent.at(-1)?.found, found('b'))
  assert.deepEqual(outgoing.holding(), [found('c')])
})

test('what is held by a shard that was overtaken is forgotten, and makes room', async () => {
  const { outgoing } = start()
  for (let i = 0; i < 1_000; i++) outgoing.hold(found(`d-${i}`))
  const room = outgoing.room(new AbortController().signal)
  outgoing.giveUpHeld()
  await room
  assert.deepEqual(outgoing.all(), [])
})
