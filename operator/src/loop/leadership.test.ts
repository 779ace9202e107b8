import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import { type Answer, json, scriptedApi } from '../source/kube/testing.ts'
import { campaign, LEASE, NotLeading } from './leadership.ts'

const leaseOf = (holderIdentity: string) => ({ metadata: { resourceVersion: '7' }, spec: { holderIdentity } })

test('a replica whose lease another took stops, and says who leads', async () => {
  await using server = await scriptedApi(json(404, {}), json(201, {}), json(200, leaseOf('operator-1')))
  const log = createLogger('test', 'fatal')
  await using leadership = campaign({ api: server.api, namespace: 'ns', name: 'lease', identity: 'operator-0', log })
  await leadership.won
  leadership.mayWrite()
  assert.equal(await leadership.lost, 'lost the lease: operator-1 took it')
  assert.throws(() => leadership.mayWrite(), NotLeading)
})

type Look = { readonly version?: string; readonly tookMs?: number; readonly status?: number }

/**
 * A follower of a lease that is as `looks` have it, one after another, and then as the last: when it looked, and when it tried to take
 * the lease, each attempt answered with the next status, until it had it. Its clock moves by its pauses and by what looks take.
 */
const followed = async (looks: readonly Look[], answers = [200]) => {
  let nowMs = 0
  let isTaken = false
  const lookedAtMs: number[] = []
  const triedAtMs: number[] = []
  const answer: Answer = (url, response, request) => {
    if (request.method === 'PUT') {
      const status = answers[Math.min(triedAtMs.push(nowMs), answers.length) - 1] ?? 200
      isTaken = status === 200
      return json(status, {})(url, response, request)
    }
    const { version = '1', tookMs = 0, status = 200 } = looks[Math.min(lookedAtMs.push(nowMs), looks.length) - 1] ?? {}
    nowMs += tookMs
    const spec = { holderIdentity: 'operator-1', leaseDurationSeconds: LEASE.durationMs / 1000 }
    return json(status, { metadata: { resourceVersion: version }, spec })(url, response, request)
  }
  await using server = await scriptedApi(answer)
  const sleep = async (ms: number, signal: AbortSignal): Promise<unknown> => {
    if (isTaken) return signal.aborted || once(signal, 'abort')
    nowMs += ms
    return undefined
  }
  const log = createLogger('test', 'silent')
  const who = { namespace: 'ns', name: 'lease', identity: 'operator-0' }
  await using leadership = campaign({ api: server.api, ...who, log, now: () => nowMs, sleep })
  await leadership.won
  return { lookedAtMs: [...lookedAtMs], triedAtMs }
}

const atSeconds = (from: number, to: number): number[] =>
  Array.from({ length: (to - from) / 2 + 1 }, (_, i) => (from + 2 * i) * 1000)

test('a follower takes a lease as soon as it has not changed for 15 s, and no sooner', async () => {
  const { lookedAtMs, triedAtMs } = await followed([{}])
  assert.deepEqual(lookedAtMs, [...atSeconds(0, 14), 15_001])
  assert.deepEqual(triedAtMs, [15_001])
})

test('the 15 s begin anew whenever the lease was renewed, and when the answer is there', async () => {
  const { lookedAtMs, triedAtMs } = await followed([{}, {}, { version: '2', tookMs: 500 }, { version: '2' }])
  assert.deepEqual(lookedAtMs, [0, 2_000, 4_000, ...atSeconds(0, 12).map((ms) => ms + 6_500), 19_501])
  assert.deepEqual(triedAtMs, [19_501])
})

test('a lease that was renewed at the last moment is left alone', async () => {
  const looks = [...Array.from({ length: 8 }, () => ({})), { version: '2' }]
  const { lookedAtMs, triedAtMs } = await followed(looks)
  assert.deepEqual(lookedAtMs.slice(8, 10), [15_001, 17_001])
  assert.deepEqual(triedAtMs, [30_002])
})

test('a lease that is over is asked for every 2 s while that fails', async () => {
  const { lookedAtMs, triedAtMs } = await followed(
    [...Array.from({ length: 8 }, () => ({})), { status: 500 }, {}],
    [500, 409, 200],
  )
  assert.deepEqual(lookedAtMs.slice(7), [14_000, 15_001, 17_001, 19_001, 21_001])
  assert.deepEqual(triedAtMs, [17_001, 19_001, 21_001])
})
