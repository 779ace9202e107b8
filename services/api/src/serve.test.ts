import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Hono } from 'hono'
import type { ApiEnv } from './http/env.ts'
import { serveApp } from './serve.ts'

test('who drips in a body that nobody reads is answered, then cut off', { timeout: 10_000 }, async () => {
  const app = new Hono<ApiEnv>().get('/', (c) => c.text('hello'))
  await using server = await serveApp(app, { host: '127.0.0.1', port: 0 })
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => undefined)
  // Not by `once` of node:events, which fails when what drips in meets a closed socket.
  const cutOff = new Promise((resolve) => socket.once('close', resolve))
  socket.write('GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n')
  const drip = setInterval(() => socket.write('x'), 50)
  try {
    const [answer] = await once(socket, 'data')
    assert.match(String(answer), /^HTTP\/1.1 200 OK/)
    await cutOff
  } finally {
    clearInterval(drip)
    socket.destroy()
  }
})
