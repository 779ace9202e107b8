import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createLogger } from '@fleetloom/shared/process/logger'
import { transitionOf } from '../testing.ts'
import { Deliveries, type Given } from './deliveries.ts'
import { type Delivery, deliveriesOf } from './delivery.ts'
import type { Outcome } from './outcome.ts'
import { MOST_PARKED, MOST_PARKED_BYTES, MOST_PARKED_IN_NAMESPACE } from './parking.ts'
import { Receivers } from './receivers.ts'

const RETRY = { attempts: 3, backoffMs: 1, longestBackoffMs: 2, longestMs: 60_000 }
const SENT: Outcome = { kind: 'sent' }
const FAILED: Outcome = { kind: 'retry', reason: 'HTTP 500' }

const deliveryOf = (seq: number, { device = 'd', url = 'https://a.example' } = {}): Delivery => {
  const transition = transitionOf({ device, atMicros: seq, notify: [{ kind: 'webhook', url }] })
  return deliveriesOf(transition, seq, Date.now())[0] as Delivery
}

/** Deliveries over a receiver that answers as told. */
const fixture = (answer: (delivery: Delivery) => Outcome | Promise<Outcome>, silenced = new Set<number>()) => {
  const log: string[] = []
  const records = new Set<number>()
  const aside: [number, Given][] = []
  const deliveries = new Deliveries({
    receivers: new Receivers(),
    retry: RETRY,
    silencedBy: async ({ seq }) => (silenced.has(seq) ? 'a-silence' : undefined),
    attempt: async (delivery) => {
      const outcome = await answer(delivery)
      log.push(`${delivery.seq} ${outcome.kind}`)
      return outcome
    },
    park: async ({ seq }) => void records.add(seq),
    unpark: async ({ seq }) => void records.delete(seq),
    setAside: async ({ seq }, given) => void aside.push([seq, given]),
    log: createLogger('test', 'silent'),
  })
  return { deliveries, log, records, aside }
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await setImmediate()
}

test('what is taken at once leaves no record', async () => {
  const { deliveries, log, records } = fixture(() => SENT)
  await deliveries.add(deliveryOf(1))
  assert.deepEqual([log, [...records]], [['1 sent'], []])
})

test('what fails is recorded before it counts as settled, and the record goes when it was taken', async () => {
  let isUp = false
  const { deliveries, log, records } = fixture(() => (isUp ? SENT : FAILED))
  await deliveries.add(deliveryOf(1))
  assert.deepEqual([...records], [1])
  isUp = true
  await until(() => records.size === 0)
  assert.deepEqual(log, ['1 retry', '1 sent'])
})

test('deliveries of one alert follow each other, through failures; those of another alert do not wait', async () => {
  let failures = 2
  const { deliveries, log } = fixture(({ seq }) => (seq === 1 && failures-- > 0 ? FAILED : SENT))
  const all = [deliveryOf(1), deliveryOf(2), deliveryOf(3, { device: 'other' })]
  await Promise.all(all.map((one) => deliveries.add(one)))
  await until(() => log.includes('2 sent'))
  assert.ok(log.indexOf('3 sent') < log.indexOf('1 sent'))
  assert.ok(log.indexOf('1 sent') < log.indexOf('2 sent'))
})

test('a refusal, and the last attempt, are set aside with the reason', async () => {
  const { deliveries, aside } = fixture(({ seq }) => (seq === 1 ? { kind: 'refused', reason: 'HTTP 410' } : FAILED))
  await deliveries.add(deliveryOf(1))
  await deliveries.add(deliveryOf(2))
  await until(() => aside.length === 2)
  assert.deepEqual(aside, [
    [1, { kind: 'dead', reason: 'HTTP 410' }],
    [2, { kind: 'dead', reason: 'HTTP 500, after 3 attempts' }],
  ])
})

test('what is silenced is set aside without an attempt', async () => {
  const { deliveries, log, aside } = fixture(() => SENT, new Set([1]))
  await deliveries.add(deliveryOf(1))
  assert.deepEqual([log, aside], [[], [[1, { kind: 'silenced', reason: 'a-silence' }]]])
})

test('what is too old is given up', async () => {
  const { deliveries, aside } = fixture(() => SENT)
  await deliveries.add({ ...deliveryOf(1), firstMs: Date.now() - 61_000 })
  assert.deepEqual(aside, [[1, { kind: 'dead', reason: 'it waited for too long' }]])
})

test('an attempt that takes long is recorded meanwhile, and is not made twice', async () => {
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const { deliveries, log, records } = fixture(() => promise)
  await deliveries.add(deliveryOf(1))
  assert.deepEqual([log, [...records]], [[], [1]])
  resolve(SENT)
  await until(() => records.size === 0)
  assert.deepEqual(log, ['1 sent'])
})

test('beyond the bound nothing more waits for a receiver', async () => {
  const never = new Promise<Outcome>(() => undefined)
  const { deliveries, records, aside } = fixture(() => never)
  const all = Array.from({ length: MOST_PARKED + 2 }, (_, i) => deliveryOf(i))
  const [, ...rest] = all.map((one) => deliveries.add(one))
  await Promise.all(rest)
  assert.equal(records.size, MOST_PARKED)
  assert.deepEqual(aside, [
    [MOST_PARKED + 1, { kind: 'dead', reason: `${MOST_PARKED} notifications wait for the receiver already` }],
  ])
})

/** A receiver that answers only when its attempt ends. */
const endless = ({ over }: Delivery): Promise<Outcome> =>
  new Promise((resolve) => over.signal.addEventListener('abort', () => resolve(SENT)))

test('a slow receiver with no room to wait keeps no delivery in hand: each is set aside, and its attempt ends', async () => {
  const { deliveries, log, records, aside } = fixture(endless)
  const all = Array.from({ length: MOST_PARKED + 20 }, (_, i) => deliveryOf(i, { device: `d${i}` }))
  await Promise.all(all.map((one) => deliveries.add(one)))
  assert.equal(records.size, MOST_PARKED)
  assert.equal(aside.length, 20)
  assert.deepEqual(log, [])
})

test('what was set aside while its attempt was under way frees the place at the receiver, and its alert goes on', async () => {
  const { deliveries, log, records, aside } = fixture((one) => (one.seq === 0 ? endless(one) : SENT))
  const waiting = (seq: number) => ({
    ...deliveryOf(seq, { device: `d${seq}` }),
    isParked: true,
    nextMs: Date.now() + 60_000,
  })
  const first = deliveryOf(0)
  const added = deliveries.add(first)
  deliveries.resume(Array.from({ length: MOST_PARKED }, (_, i) => waiting(i + 1)))
  await added
  assert.deepEqual([first.over.signal.aborted, aside.length], [true, 1])
  await setImmediate()
  await deliveries.add(deliveryOf(9_999))
  assert.deepEqual([log, records.size, aside.length], [['0 sent', '9999 sent'], 0, 1])
  await deliveries[Symbol.asyncDispose]()
})

test('a namespace with many receivers is bounded too, and another one is not held to it', async () => {
  const { deliveries, records, aside } = fixture(endless)
  const all = Array.from({ length: MOST_PARKED_IN_NAMESPACE + 3 }, (_, i) =>
    deliveryOf(i, { device: `d${i}`, url: `https://${i}.example` }),
  )
  await Promise.all(all.map((one) => deliveries.add(one)))
  assert.equal(records.size, MOST_PARKED_IN_NAMESPACE)
  const reason = `${MOST_PARKED_IN_NAMESPACE} notifications wait for receivers of namespace coldchain already`
  assert.deepEqual(
    aside.map(([, given]) => given),
    Array(3).fill({ kind: 'dead', reason }),
  )
  const other = deliveryOf(10_000)
  await deliveries.add({ ...other, transition: { ...other.transition, namespace: 'other' } })
  assert.equal(records.size, MOST_PARKED_IN_NAMESPACE + 1)
})

test('long notifications that wait are bounded in bytes', async () => {
  const { deliveries, records, aside } = fixture(endless)
  const long = Array.from({ length: 10 }, (_, i) => ({
    ...deliveryOf(i, { device: `d${i}` }),
    bytes: MOST_PARKED_BYTES / 8,
  }))
  await Promise.all(long.map((one) => deliveries.add(one)))
  assert.deepEqual([records.size, aside.length], [8, 2])
})

test('after a restart what was recorded goes on, and a repeat of it is known', async () => {
  const { deliveries, log, records } = fixture(() => SENT)
  records.add(1)
  deliveries.resume([{ ...deliveryOf(1), isParked: true, attempts: 1 }])
  await deliveries.add(deliveryOf(1))
  await until(() => records.size === 0)
  assert.deepEqual(log, ['1 sent'])
})

test('when it stops, the attempt under way ends and nothing else begins', async () => {
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const begun = Promise.withResolvers<void>()
  const { deliveries, log } = fixture(() => {
    begun.resolve()
    return promise
  })
  void deliveries.add(deliveryOf(1))
  void deliveries.add(deliveryOf(2))
  await begun.promise
  const stopped = deliveries[Symbol.asyncDispose]()
  resolve(SENT)
  await stopped
  assert.deepEqual(log, ['1 sent'])
})
