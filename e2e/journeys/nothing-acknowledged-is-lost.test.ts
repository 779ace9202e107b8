/**
 * Numbered readings flow while one process at a time is killed and started again. FLEETLOOM_FULL=1 sends 200,000 readings in each form;
 * without it the run is a tenth of that.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { namesOf } from '@fleetloom/crds/names'
import type { Child } from '../kit/child.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import {
  FORMS,
  type Form,
  manifestsOf,
  registerDevices,
  type Sent,
  SHARED_PREFIXES,
  startFleetLoad,
} from './fleets-under-load.ts'
import { type Balance, balanceLine, balanceOf } from './ledger.ts'

const FULL = process.env.FLEETLOOM_FULL === '1'
const READINGS = FULL ? 200_000 : 20_000
const RATE = FULL ? 1_500 : 800
const ROUNDS = FULL ? 5 : 2
const DEVICES = 50
/** Unacknowledged messages that the broker may redeliver to a session after one crash of it. */
const IN_FLIGHT_WINDOW = 4096

/** How often Mosquitto saves its queues, as configured, and a second for the save. */
const AUTOSAVE_MS = 6_000

const names = namesOf()

/** Waits until the table stops changing with everything acknowledged in it, or until the deadline; then tells what is there. */
const settledBalance = async (platform: Platform, { form, result }: Sent): Promise<Balance> => {
  const where = { table: names.table(form.fleet), column: form.column }
  let last: Balance | undefined
  await until(
    async () => {
      last = await balanceOf(platform.sql, where, result)
      return last.missing.length === 0
    },
    { what: `all of ${form.fleet.name}`, deadlineMs: 90_000, everyMs: 1_000 },
  ).catch(() => undefined)
  return last ?? (await balanceOf(platform.sql, where, result))
}

/** Sends every form's readings while `trouble` goes on, and gives the balances. */
const sendDuring = async (
  platform: Platform,
  forms: readonly Form[],
  trouble: () => Promise<unknown>,
): Promise<{ form: Form; balance: Balance; resent: number }[]> => {
  const loads = await Promise.all(
    forms.map(async (form) => {
      const devices = await registerDevices(platform, form, DEVICES)
      return {
        form,
        load: await startFleetLoad(platform, form, devices, { count: READINGS, rate: RATE, reconnect: true }),
      }
    }),
  )
  const [results] = await Promise.all([Promise.all(loads.map(({ load }) => load.done)), trouble()])
  return Promise.all(
    loads.map(async ({ form }, i) => {
      const result = results[i] as Sent['result']
      return { form, balance: await settledBalance(platform, { form, result }), resent: result.resent }
    }),
  )
}

const start = (forms: readonly Form[]): Promise<Platform> =>
  startPlatform({ manifests: manifestsOf(forms), sharedPrefixes: SHARED_PREFIXES })

test('SIGKILL of ingest, writer, nats-server and QuestDB at random moments loses nothing', async (t) => {
  await using platform = await start(FORMS)
  for (const { fleet } of FORMS) await platform.untilReady(fleet)
  let ingestKills = 0
  const killAll = async () => {
    const victims: Child[] = [platform.ingest, platform.writer, platform.nats, platform.questdb]
    for (let round = 0; round < ROUNDS; round++)
      for (const victim of victims.toSorted(() => Math.random() - 0.5)) {
        await sleep(500 + Math.random() * 1_500)
        await victim.kill('SIGKILL')
        await sleep(Math.random() * 500)
        await victim.start()
        if (victim === platform.ingest) ingestKills++
      }
  }
  for (const { form, balance } of await sendDuring(platform, FORMS, killAll)) {
    t.diagnostic(`${form.fleet.name}: ${balanceLine(balance)}`)
    process.stdout.write(`${form.fleet.name}: ${balanceLine(balance)}\n`)
    assert.equal(balance.acknowledged, READINGS, form.fleet.name)
    assert.deepEqual(balance.missing, [], form.fleet.name)
    assert.deepEqual(balance.invented, [], form.fleet.name)
    if (form.timestamped) assert.equal(balance.duplicates, 0, form.fleet.name)
    else assert.ok(balance.duplicates <= ingestKills * IN_FLIGHT_WINDOW, `${balance.duplicates} duplicates`)
  }
})

test('a clean restart of Mosquitto loses nothing', async () => {
  const forms = FORMS.filter(({ timestamped }) => timestamped)
  await using platform = await start(forms)
  for (const { fleet } of forms) await platform.untilReady(fleet)
  const restart = async () => {
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(3_000)
      await platform.mosquitto.kill('SIGTERM')
      await platform.mosquitto.start()
    }
  }
  for (const { form, balance } of await sendDuring(platform, forms, restart)) {
    process.stdout.write(`${form.fleet.name}: ${balanceLine(balance)}\n`)
    assert.equal(balance.acknowledged, READINGS)
    assert.deepEqual([balance.missing, balance.invented, balance.duplicates], [[], [], 0])
  }
})

test('SIGKILL of Mosquitto loses no more than was acknowledged since its last save and not yet taken', async () => {
  const forms = FORMS.filter(({ timestamped }) => timestamped)
  await using platform = await start(forms)
  for (const { fleet } of forms) await platform.untilReady(fleet)
  const crash = async () => {
    await sleep(AUTOSAVE_MS + 3_000)
    await platform.mosquitto.kill('SIGKILL')
    await platform.mosquitto.start()
  }
  for (const { form, balance } of await sendDuring(platform, forms, crash)) {
    process.stdout.write(`${form.fleet.name}: ${balanceLine(balance)}\n`)
    assert.ok(balance.missing.length <= (RATE * AUTOSAVE_MS) / 1_000, `${balance.missing.length} lost`)
    assert.deepEqual([balance.invented, balance.duplicates], [[], 0])
  }
})
