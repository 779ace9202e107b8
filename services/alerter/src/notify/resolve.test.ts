import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { test } from 'node:test'
import { fromHosts, resolveName } from './resolve.ts'

const never = new AbortController().signal
const ADDRESS = 1
const NOT_FOUND = 3

/** The answer to a question for an address of its kind, or that there is no such name. */
const answerOf = (query: Buffer, address: string | undefined): Buffer => {
  const end = query.indexOf(0, 12) + 5
  const isAddress = query.readUInt16BE(end - 4) === ADDRESS
  const head = Buffer.from(query.subarray(0, end))
  head.writeUInt16BE(address === undefined ? 0x8180 + NOT_FOUND : 0x8180, 2)
  head.writeUInt16BE(address !== undefined && isAddress ? 1 : 0, 6)
  head.writeUInt32BE(0, 8)
  if (address === undefined || !isAddress) return head
  return Buffer.concat([
    head,
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]),
    Buffer.from(address.split('.').map(Number)),
  ])
}

/** A name server that knows one name, or that never answers. */
const nameServer = async (known: Record<string, string> | undefined) => {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.on('message', (query, { port, address }) => {
    const name = Object.keys(known ?? {}).find((one) => query.includes(`\x07${one.slice(0, 7)}`))
    if (known) socket.send(answerOf(query, name === undefined ? undefined : known[name]), port, address)
  })
  return {
    settings: { servers: [`127.0.0.1:${socket.address().port}`], hostsFile: '/dev/null' },
    asked: once(socket, 'message'),
    [Symbol.dispose]: () => socket.close(),
  }
}

test('a name has the addresses that its name server says', async () => {
  using server = await nameServer({ 'example.test': '192.0.2.7' })
  assert.deepEqual(await resolveName('example.test', never, server.settings), [{ address: '192.0.2.7', family: 4 }])
  await assert.rejects(resolveName('unknown.test', never, server.settings), { code: 'ENOTFOUND' })
})

test('names whose server never answers take no thread of the process, and end with the attempt', async () => {
  using server = await nameServer(undefined)
  const attempt = new AbortController()
  const all = Array.from({ length: 16 }, (_, i) => resolveName(`hook${i}.test`, attempt.signal, server.settings))
  const ended = Promise.allSettled(all)
  await server.asked
  await lookup('localhost')
  const why = new Error('no time left')
  attempt.abort(why)
  assert.deepEqual(await ended, Array(16).fill({ status: 'rejected', reason: why }))
})

test('the hosts file says what a name is before any server', () => {
  const text = '127.0.0.1\tlocalhost  Hook.lan # the hook.wan\n::1 localhost\n\nnonsense hook.lan\n'
  assert.deepEqual(
    fromHosts(text, 'localhost').map(({ address }) => address),
    ['127.0.0.1', '::1'],
  )
  assert.deepEqual(fromHosts(text, 'hook.lan'), [{ address: '127.0.0.1', family: 4 }])
  assert.deepEqual(fromHosts(text, 'hook.wan'), [])
})
