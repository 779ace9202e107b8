/** What every process of ours has in common, whatever it does. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../tools/paths.ts'
import { run } from '../tools/run.ts'

const MAINS = {
  operator: 'operator/src/main.ts',
  ingest: 'services/ingest/src/main.ts',
  writer: 'services/writer/src/main.ts',
  alerter: 'services/alerter/src/main.ts',
  api: 'services/api/src/main.ts',
  simulator: 'services/simulator/src/main.ts',
} as const

const start = (main: string, args: readonly string[], env: Record<string, string> = {}) =>
  run(process.execPath, [join(ROOT, main), ...args], { PATH: process.env.PATH ?? '', ...env })

for (const [name, main] of Object.entries(MAINS)) {
  test(`${name} --help lists each variable with its meaning and default`, async () => {
    const { code, output } = await start(main, ['--help'])
    assert.equal(code, 0, output)
    assert.match(output, /^ {2}HTTP_PORT +.*port.+\(default \d+\)$/m)
    const bare = output.split('\n').filter((line) => /^ {2}[A-Z_]+ +\(/.test(line))
    assert.deepEqual(bare, [], 'each variable says what it is')
  })

  test(`${name} with a wrong configuration ends with one line that names every fault`, async () => {
    const { code, output } = await start(main, [], { HTTP_PORT: 'eighty', LOG_LEVEL: 'loud' })
    assert.notEqual(code, 0)
    assert.equal(output.trim().split('\n').length, 1, output)
    assert.match(output, /HTTP_PORT="eighty": .+LOG_LEVEL="loud": /)
    assert.doesNotMatch(output, /\n {4}at /, 'no stack trace')
  })

  test(`${name} refuses a flag it does not know and names those it does`, async () => {
    const { code, output } = await start(main, ['--htp-port', '1'])
    assert.notEqual(code, 0)
    assert.match(output, /unknown argument --htp-port; the flags are .*--http-port/)
  })
}

/** A server that takes connections and says nothing. */
const startSilence = async () => {
  const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connected: once(server, 'connection'),
    [Symbol.dispose]: () => void server.close(),
  }
}

test('a process that still waits for NATS stops when it is told to', async () => {
  using silence = await startSilence()
  const writer = spawn(process.execPath, [join(ROOT, MAINS.writer)], {
    env: { PATH: process.env.PATH, NATS_URL: silence.url },
    stdio: 'ignore',
  })
  const ended = once(writer, 'exit', { signal: AbortSignal.timeout(15_000) })
  try {
    await silence.connected
    writer.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  } finally {
    writer.kill('SIGKILL')
  }
})
