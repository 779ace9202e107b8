import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { instant } from '@fleetloom/shared/alerts/instant'
import { type Bounds, dryRun } from './dry-run.ts'
import type { Entry, Range } from './in-order.ts'
import { dryRunBody } from './schema.ts'
import { testFleet } from './testing.ts'
import { trialOf } from './trial.ts'

const T0 = Date.parse('2026-01-01T00:00:00Z') * 1000
const SECOND = 1e6

const reading = (second: number, temperature: number, device = 'a'): Entry => ({
  kind: 'reading',
  micros: T0 + second * SECOND,
  device,
  line: `coldchain_reefers,device=${device} temperature=${temperature},digest=${second}i ${T0 + second * SECOND}000\n`,
})

const event = (second: number, type: string): Entry => ({
  kind: 'event',
  micros: T0 + second * SECOND,
  device: 'a',
  line: `coldchain_events,fleet=reefers,device=a,type=${type} digest=${second}i ${T0 + second * SECOND}000\n`,
})

type Wanted = {
  readonly spec: object
  readonly entries: readonly Entry[]
  readonly seconds: readonly [from: number, to: number]
  readonly bounds?: Bounds
  readonly limit?: number
  readonly devices?: Readonly<Record<string, number>>
}

const tryOut = ({ spec, entries, seconds: [from, to], bounds, limit = 100, devices = { a: -1000 } }: Wanted) => {
  const at = (second: number) => instant(T0 + second * SECOND)
  const body = dryRunBody.parse({ namespace: 'coldchain', fleet: 'reefers', from: at(from), to: at(to), ...spec })
  const ranges: Range[] = []
  const result = dryRun({
    trial: trialOf(body, testFleet),
    watched: Object.entries(devices).map(([id, second]) => ({ id, labels: {}, createdMicros: T0 + second * SECOND })),
    range: { from: body.from, to: body.to },
    ...{ limit, signal: new AbortController().signal, nowMicros: body.nowMicros, ...(bounds && { bounds }) },
    read: async function* (range) {
      ranges.push(range)
      yield entries.filter(({ micros }) => micros >= range.from && micros < range.to)
    },
  })
  return result.then((value) => ({ ...value, ranges }))
}

/** `second device from>to value`. */
const told = ({ transitions }: { readonly transitions: readonly object[] }): string[] =>
  transitions.map((one) => {
    const { at, device, from, to, value } = one as Record<string, string>
    return `${(Date.parse(at as string) * 1000 - T0) / SECOND} ${device} ${from}>${to} ${value}`
  })

test('a rule fires and resolves where the readings say it', async () => {
  const entries = [5, 9, 9, 6, 5].map((value, i) => reading(i * 10, value))
  const spec = { when: 'last(temperature) > 8.0', for: '5s' }
  const result = await tryOut({ spec, entries, seconds: [0, 60] })
  assert.deepEqual(told(result), ['10 a inactive>pending 9', '15 a pending>firing 9', '30 a firing>resolved 6'])
  assert.deepEqual(
    [result.counts, result.firing, result.cutShort],
    [{ devices: 1, readings: 5, events: 0, inactive: 0, pending: 1, firing: 1, resolved: 1 }, 0, undefined],
  )
})

test('windows are full when the time asked for begins, and what came before it is not told', async () => {
  const entries = [reading(-50, 20), reading(-40, 20), reading(5, 0), reading(10, 0), reading(20, 0)]
  const spec = { when: "avg(temperature, '1m') > 8.0" }
  const result = await tryOut({ spec, entries, seconds: [0, 60] })
  assert.deepEqual(told(result), ['10 a firing>resolved 6.666666666666667'])
  assert.deepEqual(result.ranges, [{ from: T0 - 60 * SECOND, to: T0 + 65 * SECOND }])
  assert.equal(result.counts.firing, 0)
  assert.equal(result.counts.resolved, 1)
})

test('silence is judged by the time that passes, from when a device was registered', async () => {
  const entries = [reading(-5, 5), reading(10, 5), reading(100, 5)]
  const spec = { when: "absent(temperature, '30s')" }
  const devices = { a: -1000, late: 60 }
  const result = await tryOut({ spec, entries, seconds: [0, 120], devices })
  const states = told(result).map((line) => line.split(' ').slice(1, 3).join(' '))
  assert.deepEqual(states, ['a inactive>firing', 'late inactive>firing', 'a firing>resolved'])
  const [fires] = told(result).map((line) => Number(line.split(' ')[0]))
  assert.ok(fires !== undefined && fires >= 30 && fires <= 41, String(fires))
  assert.equal(result.firing, 1)
})

test('events count in the windows of a rule', async () => {
  const entries = [event(1, 'login_failed'), event(2, 'login_failed'), event(3, 'other'), event(4, 'login_failed')]
  const result = await tryOut({ spec: { when: "eventCount('login_failed', '1m') > 2" }, entries, seconds: [0, 30] })
  assert.deepEqual(told(result), ['4 a inactive>firing 3'])
  assert.equal(result.counts.events, 4)
})

test('rows of devices that are not watched are passed over', async () => {
  const entries = [reading(1, 9, 'other'), reading(2, 9)]
  const result = await tryOut({ spec: { when: 'last(temperature) > 8.0' }, entries, seconds: [0, 30] })
  assert.deepEqual(told(result), ['2 a inactive>firing 9'])
  assert.equal(result.counts.readings, 1)
})

test('it is cut short at its bounds and says so', async () => {
  const entries = Array.from({ length: 100 }, (_, i) => reading(i, i % 2 === 0 ? 9 : 5))
  const spec = { when: 'last(temperature) > 8.0' }
  const short = await tryOut({ spec, entries, seconds: [0, 200], bounds: { rows: 10, ms: 60_000 } })
  assert.match(short.cutShort ?? '', /at most 10 rows/)
  assert.equal(short.until, instant(T0 + 10 * SECOND))
  assert.deepEqual([short.counts.readings, short.counts.firing, short.counts.resolved], [10, 5, 5])
  const slow = await tryOut({ spec, entries, seconds: [0, 200], bounds: { rows: 1000, ms: -1 } })
  assert.match(slow.cutShort ?? '', /at most -0.001 s/)
  const few = await tryOut({ spec, entries, seconds: [0, 200], limit: 3 })
  assert.deepEqual([few.transitions.length, few.counts.firing, few.cutShort], [3, 50, undefined])
})

/** What this thread has worked, so that it does not count when the machine lets it wait. */
const msOf = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000

test('others have their turn while it works, and it ends when nobody waits for it', async () => {
  const entries = Array.from({ length: 100_000 }, (_, i) => reading(i, i % 2 === 0 ? 9 : 5))
  const work = tryOut({ spec: { when: 'last(temperature) > 8.0' }, entries, seconds: [0, 100_000] })
  const started = process.threadCpuUsage()
  let [turns, longest, last] = [0, 0, started]
  let isOver = false
  void work.then(() => (isOver = true))
  while (!isOver) {
    await setImmediate()
    longest = Math.max(longest, msOf(process.threadCpuUsage(last)))
    last = process.threadCpuUsage()
    turns++
  }
  const workedMs = msOf(process.threadCpuUsage(started))
  assert.ok(turns >= workedMs / 50, `${turns} turns in ${workedMs} ms`)
  assert.ok(longest < 500, `${longest} ms`)
  assert.equal((await work).counts.firing, 50_000)
})
