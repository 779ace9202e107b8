import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { connectMosquitto } from '@fleetloom/shared/broker/mosquitto/mosquitto'
import { connectNats } from '@fleetloom/shared/nats'
import { createLogger } from '@fleetloom/shared/process/logger'
import { every } from './every.ts'
import { startMosquitto } from './mosquitto.ts'
import { startNats } from './nats.ts'
import { freePort, isFree } from './ports.ts'
import { startQuestdb } from './questdb.ts'
import { until } from './until.ts'

const TABLES = 'select table_name from tables()'
const CREATE = 'create table readings (ts timestamp, v double) timestamp(ts) partition by day wal'

test('nats-server keeps its data over a kill', async () => {
  await using nats = await startNats()
  await using client = await connectNats('test', nats.settings('operator'))
  const bucket = await client.bucket('fleetloom-pipeline')
  await bucket.put('key', 'value')
  await nats.kill()
  await nats.start()
  const entry = await until(() => bucket.get('key'), { what: 'the key after the restart' })
  assert.equal(entry.string(), 'value')
})

test('a service on NATS may do what it needs, and nothing else', async () => {
  await using nats = await startNats()
  await using operator = await connectNats('operator', nats.settings('operator'))
  await operator.bucket('fleetloom-devices')
  await using api = await connectNats('api', nats.settings('api'))
  const devices = await api.bucket('fleetloom-devices')
  await devices.put('ns.device', '{}')
  await using writer = await connectNats('writer', nats.settings('writer'))
  await assert.rejects(writer.jsm.streams.purge('KV_fleetloom-devices'), /permissions violation/i)
  await assert.rejects(writer.jsm.streams.delete('KV_fleetloom-devices'), /permissions violation/i)
})

test('no service on NATS reads, forges or removes what is another’s', async () => {
  await using nats = await startNats()
  await using api = await connectNats('api', nats.settings('api'))
  await (await api.bucket('fleetloom-keys')).put('first', '{}')
  await (await api.bucket('fleetloom-devices')).put('ns.device', '{}')
  await using operator = await connectNats('operator', nats.settings('operator'))
  const applied = await operator.bucket('fleetloom-applied')
  await using writer = await connectNats('writer', nats.settings('writer'))
  const reports = await writer.bucket('fleetloom-applied')
  await reports.put('writer.ns.fleet.0', '{}')
  const refused = [
    () => operator.jsm.streams.purge('KV_fleetloom-keys'),
    () => operator.jsm.streams.delete('KV_fleetloom-keys'),
    () => operator.jsm.streams.getMessage('KV_fleetloom-keys', { seq: 1 }),
    () => operator.jsm.direct.getMessage('KV_fleetloom-keys', { seq: 1 }),
    () => operator.jsm.consumers.add('KV_fleetloom-keys', { durable_name: 'thief' }),
    () => operator.jsm.streams.add({ name: 'thief', subjects: ['$KV.fleetloom-keys.x'] }),
    () => writer.jsm.streams.getMessage('KV_fleetloom-devices', { seq: 1 }),
    () => writer.jsm.direct.getMessage('KV_fleetloom-keys', { seq: 1 }),
    () => reports.put('ingest.ns.fleet.0', '{}'),
    () => api.js.publish('$JS.ACK.fleet_ns_fleet.writer.1.1.1.1.1', '+TERM'),
    () => api.js.publish('fleet.ns.fleet.other', '{}'),
  ]
  for (const attempt of refused) await assert.rejects(attempt, /permissions violation|overlap/i, attempt.toString())
  assert.equal((await applied.get('writer.ns.fleet.0'))?.string(), '{}')
})

test('Mosquitto keeps its accounts over a kill', async () => {
  await using mosquitto = await startMosquitto()
  const { username, value: password } = mosquitto.admins.operator
  const log = createLogger('test', 'error')
  await using broker = connectMosquitto({ url: mosquitto.url, username, password, installation: 'fleetloom', log })
  const acl = { publish: ['a/b'], subscribe: [] }
  await broker.put([{ username: 'ns.device', acl, disabled: false, secret: { plain: 'secret' } }])
  await mosquitto.kill()
  await mosquitto.start()
  const accounts = await until(() => broker.list(), { what: 'the broker after the restart' })
  assert.deepEqual([...accounts.values()], [{ username: 'ns.device', acl, disabled: false }])
})

test('QuestDB keeps its tables over a kill, asks for a password and makes no table for a row', async () => {
  await using questdb = await startQuestdb()
  await questdb.sql(CREATE)
  await questdb.kill()
  await questdb.start()
  // after a start it fills this list in the background
  const listed = await until(() => questdb.sql(TABLES).then((rows) => rows.length > 0 && rows), {
    what: 'the table to be listed',
  })
  assert.deepEqual(listed, [{ table_name: 'readings' }])
  const write = (headers: Record<string, string>) =>
    fetch(`${questdb.url}/write?precision=n`, { method: 'POST', body: 'absent v=1 1700000000000000000\n', headers })
  assert.equal((await write({})).status, 401)
  assert.equal((await write({ authorization: questdb.authorization })).status, 400)
  assert.deepEqual(await questdb.sql(TABLES), [{ table_name: 'readings' }])
})

test('a server dies with the process that started it', async () => {
  const nats = join(import.meta.dirname, 'nats.ts')
  const script = `const { startNats } = await import(${JSON.stringify(nats)})
    const nats = await startNats()
    process.stdout.write(String(nats.pid), () => process.kill(process.pid, 'SIGKILL'))`
  const died = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]).catch(
    ({ stdout }) => stdout,
  )
  const pid = Number(died)
  assert.ok(pid > 0)
  await until(() => !isRunning(pid), { what: `process ${pid} to be gone` })
})

/** A zombie that waits for its new parent has stopped too. */
const isRunning = (pid: number): boolean => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('a free port is given once', async () => {
  const ports = await Promise.all(Array.from({ length: 50 }, freePort))
  assert.equal(new Set(ports).size, 50)
  assert.equal(await isFree(ports[0] as number), true)
})

test('what was waited for in vain is named, with the last error', async () => {
  const waiting = until(() => Promise.reject(new Error('not there')), { what: 'a miracle', deadlineMs: 20, everyMs: 5 })
  await assert.rejects(waiting, { message: 'timed out after 0.02 s waiting for a miracle: not there' })
})

test('what is done again and again ends with its block, which tells why it failed', async () => {
  let [begun, done] = [0, 0]
  {
    await using _ = every(1, async () => {
      begun++
      await setImmediate()
      done++
    })
    await until(() => done > 2, { what: 'some rounds', everyMs: 1 })
  }
  assert.equal(begun, done, 'the round under way is waited for')
  await assert.rejects(async () => {
    await using _ = every(1, () => Promise.reject(new Error('no more')))
  }, /no more/)
})
