/**
 * The database and the stream go away under load. FLEETLOOM_FULL=1 keeps QuestDB away for 60 s and NATS for 10 minutes; without it for
 * some seconds.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { namesOf } from '@fleetloom/crds/names'
import { conditionOf } from '../kit/fleet-status.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { FORMS, type Form, manifestsOf, registerDevices, SHARED_PREFIXES, startFleetLoad } from './fleets-under-load.ts'
import { balanceLine, balanceOf } from './ledger.ts'

const FULL = process.env.FLEETLOOM_FULL === '1'
const QUESTDB_AWAY_MS = FULL ? 60_000 : 12_000
const NATS_AWAY_MS = FULL ? 600_000 : 12_000
const RATE = FULL ? 4_000 : 2_000
const MEMORY_LIMIT_MB = 250

const form = FORMS[0] as Form
const where = { table: namesOf().table(form.fleet), column: form.column }

/** Most memory a process has ever had resident, MB. */
const peakMb = (pid: number | undefined): number => {
  const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1]) / 1024
}

/** A load that goes on for some seconds longer than the outage. */
const startWithLoad = async (platform: Platform, awayMs: number) => {
  await platform.untilReady(form.fleet)
  const devices = await registerDevices(platform, form, 10)
  return startFleetLoad(platform, form, devices, { count: RATE * (awayMs / 1_000 + 8), rate: RATE, reconnect: true })
}

const settle = async (platform: Platform, result: Parameters<typeof balanceOf>[2]) => {
  await until(async () => (await balanceOf(platform.sql, where, result)).missing.length === 0, {
    what: 'every acknowledged reading to be found',
    deadlineMs: 180_000,
    everyMs: 1_000,
  }).catch(() => undefined)
  const balance = await balanceOf(platform.sql, where, result)
  process.stdout.write(`${balanceLine(balance)}\n`)
  assert.deepEqual([balance.missing, balance.invented, balance.duplicates], [[], [], 0])
}

const assertSmall = (platform: Platform): void => {
  for (const part of ['ingest', 'writer'] as const) {
    const mb = peakMb(platform[part].pid)
    assert.ok(mb < MEMORY_LIMIT_MB, `${part} took ${mb.toFixed(0)} MB`)
  }
}

test('QuestDB away under load: nothing is lost, memory stays small, and the writer catches up', async () => {
  await using platform = await startPlatform({ manifests: manifestsOf([form]), sharedPrefixes: SHARED_PREFIXES })
  const load = await startWithLoad(platform, QUESTDB_AWAY_MS)
  await sleep(2_000)
  await platform.questdb.kill('SIGKILL')
  await sleep(QUESTDB_AWAY_MS)
  await platform.questdb.start()
  await settle(platform, await load.done)
  assertSmall(platform)
})

/** What `/status` says of a condition while it lasts. */
const observed = async (platform: Platform, type: string): Promise<string | undefined> => {
  const fleet = (await platform.fleets()).find(({ name }) => name === form.fleet.name)
  const condition = fleet && conditionOf(fleet, type)
  return condition?.status === 'True' ? condition.message : undefined
}

/** The operator may see the queue for the first time when it is long. */
const knownGrowth = (message: string | undefined): string | undefined =>
  message?.includes('long enough to tell') ? undefined : message

const startWithQueue = (messages: number): Promise<Platform> =>
  startPlatform({
    manifests: manifestsOf([form]),
    sharedPrefixes: SHARED_PREFIXES,
    mosquitto: { queue: { messages, bytes: 1024 ** 3 } },
    env: {
      operator: { BROKER_QUEUE_MESSAGES: String(messages), RESYNC_MS: '2000' },
      ingest: { BROKER_QUEUE_MESSAGES: String(messages) },
    },
  })

test('NATS away under load: the broker queues, a metric and a condition tell the time left, and nothing is lost', async () => {
  await using platform = await startWithQueue(FULL ? 4_000_000 : 100_000)
  const load = await startWithLoad(platform, NATS_AWAY_MS)
  await sleep(3_000)
  await platform.nats.kill('SIGKILL')
  const killedMs = performance.now()
  const metric = until(
    async () => {
      const metrics = await (await fetch(`${platform.ingest.url}/metrics`)).text()
      const seconds = /^fleetloom_ingest_queue_left_seconds\{[^}]*\} (\d[\d.e+]*)$/m.exec(metrics)?.[1]
      return seconds !== undefined && Number(seconds) < 1e6 ? seconds : undefined
    },
    { what: 'fleetloom_ingest_queue_left_seconds to tell the time left', deadlineMs: NATS_AWAY_MS + 30_000 },
  )
  const condition = until(async () => knownGrowth(await observed(platform, 'Backlogged')), {
    what: 'the condition Backlogged',
    deadlineMs: NATS_AWAY_MS + 30_000,
  })
  process.stdout.write(`${await metric} s left; ${await condition}\n`)
  assert.match(await condition, /the broker holds \d+ messages .+ full in about/)
  await sleep(Math.max(0, NATS_AWAY_MS - (performance.now() - killedMs)))
  await platform.nats.start()
  await settle(platform, await load.done)
  assertSmall(platform)
})

test("past the bound of the broker's queue its drop counter is shown", async () => {
  await using platform = await startWithQueue(3_000)
  const load = await startWithLoad(platform, 12_000)
  await sleep(2_000)
  await platform.nats.kill('SIGKILL')
  const message = await until(
    async () => {
      const text = await observed(platform, 'Backlogged')
      return text?.includes('has dropped') ? text : undefined
    },
    { what: 'the drop counter to be shown', deadlineMs: 60_000 },
  )
  assert.match(message, /it has dropped \d+ acknowledged messages since its start/)
  const metrics = await (await fetch(`${platform.operator.url}/metrics`)).text()
  assert.match(metrics, /^fleetloom_operator_broker_dropped_messages_total [1-9]/m)
  await platform.nats.start()
  await load.stop()
})
