/** When the old topics of a fleet count as empty: by the marks of ingest in its stream. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DrainWatch } from '@fleetloom/operator/targets/pipeline/drained'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { batchHeaders } from '@fleetloom/shared/pipeline/batch'
import { type NatsServer, startNats } from '../kit/nats.ts'
import { fleetDocument } from './api-under-test.ts'

const HOUR_MS = 3_600_000

let server: NatsServer
let nats: Nats
let operator: Nats

before(async () => {
  server = await startNats()
  nats = await connectNats('test', server.settings('admin'))
  operator = await connectNats('operator', server.settings('operator'))
})
after(async () => {
  for (const one of [operator, nats, server]) await one[Symbol.asyncDispose]()
})

/** A fleet whose devices' ACLs were brought after it an hour ago. */
const fleet = async (name: string, sessions: number) => {
  const base = fleetDocument({ namespace: 'cold', name })
  const subjects = [0, 1].map((shard) => `fl.t.cold.${name}.${shard}`)
  const stream = { ...base.stream, name: `FL_T_cold_${name}`, telemetrySubjects: subjects }
  const document = { ...base, sessions, stream }
  await nats.jsm.streams.add({ name: stream.name, subjects })
  const sinceMs = Date.now() - HOUR_MS
  const clock = { nowMs: sinceMs }
  const watch = new DrainWatch(operator.js, () => clock.nowMs)
  watch.aclsChange(document)
  watch.aclsAreIn(document)
  clock.nowMs = Date.now()
  const mark = (session: number, progressMs: number) => {
    const info = { rows: 0, firstMicros: 0, lastMicros: 0, generation: 1, traceLinks: [] }
    const headers = batchHeaders({ ...info, uid: document.uid, progressMs, ...(sessions > 1 ? { session } : {}) })
    return Promise.all(subjects.map((subject) => nats.js.publish(subject, '', { headers })))
  }
  return { document, watch, clock, mark, sinceMs }
}

test('old topics are empty when each shard has a mark from later than the margin after the change', async () => {
  const { document, watch, mark, sinceMs } = await fleet('one', 1)
  await mark(0, sinceMs + 4_000)
  assert.equal(await watch.isDrained(document), false, 'clocks may differ')
  await mark(0, sinceMs + 6_000)
  assert.equal(await watch.isDrained(document), true)
})

test('each session holds a share of every shard, so a mark of each is waited for, however many come before it', async () => {
  const { document, watch, mark } = await fleet('two', 2)
  for (let i = 0; i < 60; i++) await Promise.all(Array.from({ length: 100 }, () => mark(0, Date.now())))
  assert.equal(await watch.isDrained(document), false)
  assert.equal(await watch.isDrained(document), false)
  await mark(1, Date.now())
  assert.equal(await watch.isDrained(document), true)
})

test('rights that were on their way to others are waited for anew', async () => {
  const { document, watch, clock, mark, sinceMs } = await fleet('back', 1)
  await mark(0, sinceMs + 6_000)
  assert.equal(await watch.isDrained(document), true)
  watch.aclsChange({ ...document, grants: { publish: ['elsewhere'], subscribe: [] } })
  assert.equal(await watch.isDrained(document), false)
  clock.nowMs = Date.now() - HOUR_MS / 2
  watch.aclsChange(document)
  watch.aclsAreIn(document)
  clock.nowMs = Date.now()
  assert.equal(await watch.isDrained(document), false)
  await mark(0, Date.now())
  assert.equal(await watch.isDrained(document), true)
})
