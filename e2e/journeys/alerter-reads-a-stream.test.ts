import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ReaderOptions, StreamReader } from '@fleetloom/alerter/fleet/reader'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { createLogger } from '@fleetloom/shared/process/logger'
import { type NatsServer, startNats } from '../kit/nats.ts'
import { until } from '../kit/until.ts'

let server: NatsServer
let nats: Nats
let alerter: Nats

before(async () => {
  server = await startNats()
  nats = await connectNats('test', server.settings('admin'))
  alerter = await connectNats('alerter', server.settings('alerter'))
})
after(async () => {
  for (const one of [alerter, nats, server]) await one[Symbol.asyncDispose]()
})

const make = (name: string) => nats.jsm.streams.add({ name: `fleet_${name}`, subjects: [`fleet.${name}.>`] })

const publish = async (name: string, from: number, to: number, subject = 'a'): Promise<void> => {
  for (let n = from; n <= to; n++)
    await until(
      () =>
        nats.js.publish(`fleet.${name}.${subject}`, String(n), { timeout: 1_000, msgID: `${name}-${subject}-${n}` }),
      { what: 'the stream to take a message', deadlineMs: 20_000 },
    )
}

/** Reads as a shard does: it goes on behind what it has, and begins anew with another stream. */
const read = (name: string, take: ReaderOptions['take'] = () => undefined) => {
  const got: string[] = []
  let [sequence, created, caughtUp] = [0, '', 0]
  const reader = new StreamReader({
    nats: alerter,
    stream: `fleet_${name}`,
    log: createLogger('test', 'silent'),
    open: (stream) => {
      if (stream.created !== created) sequence = 0
      created = stream.created
      return { subjects: [`fleet.${name}.a`, `fleet.${name}.b`], from: sequence + 1 }
    },
    caughtUp: () => void caughtUp++,
    take: async (message, signal) => {
      await take(message, signal)
      if (message.seq <= sequence) return
      sequence = message.seq
      got.push(message.string())
    },
  })
  return { got, reader, caughtUp: () => caughtUp, [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]() }
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i))

const untilGot = (got: readonly string[], expected: readonly string[]): Promise<unknown> =>
  until(
    () => {
      assert.deepEqual(got, expected)
      return true
    },
    { what: 'all messages, in order', deadlineMs: 40_000 },
  )

test('the subjects that are asked for are read in order, from a stream that is not there yet on', async () => {
  await using one = read('late')
  await make('late')
  await publish('late', 1, 3)
  await publish('late', 0, 0, 'c')
  await publish('late', 4, 5, 'b')
  await untilGot(one.got, numbers(1, 5))
  assert.ok(one.caughtUp() > 0)
})

test('SIGKILL of the server, several times, loses nothing and repeats nothing', async () => {
  await make('killed')
  await using one = read('killed')
  const published = publish('killed', 1, 400)
  for (const least of [20, 120, 220]) {
    await until(() => one.got.length >= least, { what: 'messages', deadlineMs: 30_000 })
    await server.kill()
    await server.start()
  }
  await published
  await untilGot(one.got, numbers(1, 400))
})

test('a consumer that somebody deletes is made anew', async () => {
  await make('deleted')
  await using one = read('deleted')
  await publish('deleted', 1, 5)
  await untilGot(one.got, numbers(1, 5))
  for await (const { name } of nats.jsm.consumers.list('fleet_deleted'))
    await nats.jsm.consumers.delete('fleet_deleted', name)
  await publish('deleted', 6, 9)
  await untilGot(one.got, numbers(1, 9))
})

test('a stream that is deleted and made again is read from its beginning', async () => {
  await make('anew')
  await using one = read('anew')
  await publish('anew', 1, 5)
  await untilGot(one.got, numbers(1, 5))
  await nats.jsm.streams.delete('fleet_anew')
  await make('anew')
  await publish('anew', 6, 9)
  await untilGot(one.got, numbers(1, 9))
})

test('a slow taker loses nothing, and a stop ends its wait and leaves no consumer', async () => {
  await make('slow')
  await publish('slow', 1, 300)
  const gate = Promise.withResolvers<void>()
  const one = read('slow', (_, signal) => {
    signal.addEventListener('abort', () => gate.resolve())
    return one.got.length >= 100 ? gate.promise : undefined
  })
  await until(() => one.got.length === 100, { what: 'a hundred to be taken' })
  await one[Symbol.asyncDispose]()
  assert.deepEqual(one.got, numbers(1, 101))
  await until(async () => (await Array.fromAsync(nats.jsm.consumers.list('fleet_slow'))).length === 0, {
    what: 'no consumer to be left',
  })
})
