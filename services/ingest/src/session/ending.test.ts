import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLogger } from '@fleetloom/shared/process/logger'
import { Ending, type EndingParts } from './ending.ts'

/** A session whose probes come back at once, if at all, and which ends at the broker when the test says so. */
const session = () => {
  const closed = Promise.withResolvers<void>()
  const state = {
    isQuiet: true,
    epoch: 1,
    doReturn: true,
    probes: 0,
    did: [] as string[],
    onDrained: (): void => undefined,
  }
  const link = {
    get epoch() {
      return state.epoch
    },
    isConnected: true,
    probe: (payload: string) => {
      state.probes++
      if (state.doReturn) ending.probeReturned(payload)
    },
    close: async ({ forget }: { readonly forget: boolean }) => {
      state.did.push(forget ? 'closes for good' : 'closes')
      await closed.promise
    },
  }
  const parts = {
    link,
    outlets: {
      drained: async () => {
        state.did.push('is drained')
        state.onDrained()
      },
    },
    progress: { force: (ms: number) => String(ms) },
    log: createLogger('test', 'silent'),
    isQuiet: () => state.isQuiet,
    onEnded: () => void state.did.push('has ended'),
  }
  const ending: Ending = new Ending(parts as unknown as EndingParts)
  return { ending, state, end: () => closed.resolve() }
}

const until = async (condition: () => boolean): Promise<void> => {
  const deadlineMs = Date.now() + 10_000
  while (!condition()) {
    assert.ok(Date.now() < deadlineMs, `not within 10 s: ${condition}`)
    await sleep(5)
  }
}

test('no probe counts before all is quiet; then what it brought is made durable, and the session ends once', async () => {
  const { ending, state, end } = session()
  state.isQuiet = false
  ending.begin()
  await sleep(120)
  assert.equal(state.probes, 0)
  state.isQuiet = true
  await until(() => state.did.length === 2)
  end()
  await until(() => ending.hasEnded)
  ending.begin()
  assert.deepEqual(state.did, ['is drained', 'closes for good', 'has ended'])
  assert.equal(await ending.leave(), false, 'nothing is left for the next owner')
})

test('what is taken counts as durable only once a probe that was sent since has come back', async () => {
  const { ending, state, end } = session()
  state.doReturn = false
  const before = String(Date.now() - 1)
  end()
  ending.begin()
  await until(() => state.probes === 1)
  ending.probeReturned(before)
  await sleep(120)
  assert.deepEqual(state.did, [])
  ending.probeReturned(String(Date.now()))
  await until(() => ending.hasEnded)
  assert.deepEqual(state.did, ['is drained', 'closes for good', 'has ended'])
})

test('a connection that was lost while its messages became durable may have others now: it is drained anew', async () => {
  const { ending, state, end } = session()
  end()
  state.onDrained = () => {
    state.epoch = 2
  }
  ending.begin()
  await until(() => ending.hasEnded)
  assert.equal(state.probes, 2)
  assert.deepEqual(state.did, ['is drained', 'is drained', 'closes for good', 'has ended'])
})

test('a session that is left while it drains is not ended', async () => {
  const { ending, state } = session()
  state.isQuiet = false
  ending.begin()
  assert.equal(await ending.leave(), true)
  assert.equal(await ending.leave(), false, 'it was left before')
  state.isQuiet = true
  await sleep(120)
  assert.deepEqual(state.did, [])
})

test('who leaves a session that is just being ended waits for that', async () => {
  const { ending, state, end } = session()
  ending.begin()
  await until(() => state.did.includes('closes for good'))
  const left = ending.leave()
  assert.equal(await Promise.race([left, sleep(50)]), undefined)
  end()
  assert.equal(await left, false)
  assert.equal(ending.hasEnded, true)
})
