/** What counting costs: `node services/shared/src/events/counters/bench.ts` prints one line of JSON. */

import { readEventRows } from '../read-rows.ts'
import { batchRows } from './bench-rows.ts'
import { EventCounters } from './counters.ts'

const EVENTS = 2_000_000
const PER_BATCH = 1_000
const USERS = 1_000_000
const PER_SECOND = 10_000
const START = 1_700_000_000e6

const micros = (n: number): number => START + Math.floor((n / PER_SECOND) * 1e6)

const timed = (work: () => void): number => {
  const start = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(start)
  return user + system
}

const counters = new EventCounters()
let counted = 0
const countMicros = timed(() => {
  for (let n = 0; n < EVENTS; n++) {
    const event = {
      digestHigh: Math.imul(n, 0x9e3779b1),
      digestLow: n,
      micros: micros(n),
      type: `type-${n % 12}`,
      user: `user-${(n * 7919) % USERS}`,
    }
    if (counters.add(event, event.micros)) counted++
  }
})
const body = batchRows(PER_BATCH, START)
let read = 0
const readMicros = timed(() => {
  for (let batch = 0; batch < 200; batch++) readEventRows(body, () => read++)
})
let answerBytes = 0
const answerMicros = timed(() => {
  for (let i = 0; i < 20; i++) answerBytes = JSON.stringify(counters.answer()).length
})
let checkpoint = new Uint8Array()
const encodeMicros = timed(() => {
  checkpoint = new Uint8Array(counters.encode())
})
const report = {
  counted,
  users: USERS,
  nsPerEvent: Math.round((countMicros * 1000) / EVENTS),
  nsPerRowRead: Math.round((readMicros * 1000) / read),
  answerMs: answerMicros / 20_000,
  answerBytes,
  checkpointMs: encodeMicros / 1000,
  checkpointBytes: checkpoint.length,
  emptyCheckpointBytes: new EventCounters().encode().length,
}
process.stdout.write(`${JSON.stringify(report)}\n`)
