/**
 * Readings cross a threshold again and again while processes are killed or come and go: the history has exactly the crossings, each
 * once, and the webhook hears of each. FLEETLOOM_FULL=1 makes 1,000 transitions in each test; without it 200.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AlertmanagerServer, startAlertmanager } from '../kit/alertmanager.ts'
import type { Child } from '../kit/child.ts'
import { every } from '../kit/every.ts'
import { until } from '../kit/until.ts'
import { startWebhook, type WebhookReceiver } from './alerter-under-test.ts'
import {
  type AlertingUnderTest,
  type AlertRow,
  alerterEnv,
  FLEET,
  type Sender,
  startAlerting,
} from './alerting-under-test.ts'

const FULL = process.env.FLEETLOOM_FULL === '1'
const DEVICES = 20
const PER_DEVICE = FULL ? 50 : 10
const ROUNDS = FULL ? 5 : 1
/** Pause between two readings of a device. */
const STEP_MS = 1_000
const HOT = 'last(temperature) > 8.0'

type Expected = Pick<AlertRow, 'device' | 'to' | 'value' | 'ms'>

/**
 * Sends readings that cross the threshold each time, and some between them that change nothing, as long as the trouble lasts at least.
 * Gives what must come of it.
 */
const cross = async (sender: Sender, isOver: () => boolean): Promise<Expected[]> => {
  const expected: Expected[] = []
  for (let i = 0; i < PER_DEVICE || !isOver() || i % 2 === 1; i++) {
    const isHot = i % 2 === 0
    const value = isHot ? 9 + i / 100 : 5 + i / 100
    expected.push({ device: sender.device, to: isHot ? 'firing' : 'resolved', value, ms: await sender.send(value) })
    await sleep((STEP_MS / 2) * (0.5 + Math.random()))
    await sender.send(isHot ? 8.5 : 6)
    await sleep((STEP_MS / 2) * (0.5 + Math.random()))
  }
  return expected
}

const byDevice = (rows: readonly Expected[]): Expected[] =>
  rows
    .map(({ device, to, value, ms }) => ({ device, to, value, ms }))
    .toSorted((a, b) => a.device.localeCompare(b.device) || a.ms - b.ms)

const untilExactly = (under: AlertingUnderTest, rule: string, expected: readonly Expected[]): Promise<unknown> =>
  until(
    async () => {
      const [rows, wanted] = [byDevice(await under.rows(rule)), byDevice(expected)]
      const missing = wanted.filter((one) => !rows.some((row) => JSON.stringify(row) === JSON.stringify(one)))
      const extra = rows.filter((one) => !wanted.some((row) => JSON.stringify(row) === JSON.stringify(one)))
      if (missing.length + extra.length > 0 || rows.length !== wanted.length)
        throw new Error(
          `missing ${JSON.stringify(missing.slice(0, 6))}, extra ${JSON.stringify(extra.slice(0, 6))}, ${rows.length} rows of ${wanted.length}`,
        )
      return true
    },
    { what: `each transition of ${rule} to be recorded once`, deadlineMs: 90_000, everyMs: 500 },
  )

/** The webhook has heard of exactly the transitions in the history, by their ids. */
const untilHeard = (under: AlertingUnderTest, rule: string, hook: WebhookReceiver): Promise<unknown> =>
  until(
    async () => {
      const ids = (await under.rows(rule)).map(({ id }) => id)
      assert.deepEqual([...new Set(hook.ids())].sort(), ids.sort())
      return true
    },
    { what: 'the webhook to have heard of each', deadlineMs: 60_000, everyMs: 300 },
  )

const sendersOf = (under: AlertingUnderTest): Promise<Sender[]> =>
  Promise.all(Array.from({ length: DEVICES }, (_, i) => under.sender(`d-${i}`)))

/**
 * Devices send while `trouble` goes on; gives what must have come of their readings. They speak, and change nothing, until it is
 * disposed of: nobody falls silent while the history is read.
 */
const crossDuring = async (
  under: AlertingUnderTest,
  trouble: () => Promise<void>,
): Promise<AsyncDisposable & { readonly expected: readonly Expected[] }> => {
  await using stack = new AsyncDisposableStack()
  const senders = await sendersOf(under)
  for (const sender of senders) stack.use(sender)
  let isOver = false
  const troubles = trouble().finally(() => {
    isOver = true
  })
  const [expected] = await Promise.all([Promise.all(senders.map((sender) => cross(sender, () => isOver))), troubles])
  stack.use(every(STEP_MS, () => Promise.all(senders.map((sender) => sender.send(6)))))
  const parts = stack.move()
  return { expected: expected.flat(), [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

const kill = async (victim: Child): Promise<void> => {
  await sleep(Math.random() * 2_000)
  await victim.kill()
  await sleep(Math.random() * 500)
  await victim.start()
}

const untilAlertmanagerIsQuiet = (alertmanager: AlertmanagerServer): Promise<unknown> =>
  until(async () => (await alertmanager.firing()).length === 0, {
    what: 'Alertmanager to know that nothing fires',
    deadlineMs: 30_000,
    everyMs: 300,
  })

test('alerter, NATS and Alertmanager are killed at random: each crossing is recorded once and told', async () => {
  await using hook = await startWebhook()
  await using alertmanager = await startAlertmanager()
  await using under = await startAlerting({
    alertmanagerUrl: alertmanager.url,
    alerter: { ALERTMANAGER_RESEND_MS: '1000' },
  })
  await under.applyRule('hot', HOT, { notify: [{ webhook: { url: hook.url } }, { alertmanager: {} }] })
  await under.applyRule('never', "last(temperature) > 100.0 || absent(temperature, '1m')", {
    notify: [{ webhook: { url: hook.url } }],
  })
  const { alerter, nats } = under.platform
  const victims = [alerter, nats, alertmanager, alerter, nats]
  await using crossed = await crossDuring(under, async () => {
    for (let round = 0; round < ROUNDS; round++) for (const victim of victims) await kill(victim)
  })
  await untilExactly(under, 'hot', crossed.expected)
  await untilHeard(under, 'hot', hook)
  assert.deepEqual(await under.rows('never'), [])
  await untilAlertmanagerIsQuiet(alertmanager)
})

test('two, three and one replica of the alerter, and rules and devices that come meanwhile: nothing is lost or doubled', async () => {
  await using hook = await startWebhook()
  await using under = await startAlerting()
  const { platform } = under
  await under.applyRule('hot', HOT, { notify: [{ webhook: { url: hook.url } }] })
  const env = alerterEnv({})
  const another = () => platform.another('alerter', { env })
  await using crossed = await crossDuring(under, async () => {
    const second = await another()
    await sleep(2_000)
    await under.applyRule('other', 'last(temperature) > 50.0')
    await another()
    await (await under.sender('late'))[Symbol.asyncDispose]()
    await second.kill()
    await sleep(1_000)
    await platform.alerter.kill('SIGTERM')
  })
  await untilExactly(under, 'hot', crossed.expected)
  await untilHeard(under, 'hot', hook)
  assert.deepEqual(await under.rows('other'), [])
  assert.equal((await platform.untilReady(FLEET)).name, FLEET.name)
})
