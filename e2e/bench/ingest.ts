#!/usr/bin/env node
/** `make bench`: our way from broker to table beside Telegraf's, over the same servers, with the same messages. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { reportOf, tableOf } from './report.ts'
import { runRounds } from './rounds.ts'

const HELP = `Usage: node e2e/bench/ingest.ts [options]

  --rounds N         rounds, the order alternating (3)
  --devices A,B,C    numbers of devices (100,10000,100000)
  --messages N       messages of one measurement (400000)
  --warm-up N        messages before it (100000)
  --seconds N        length of the latency measurement (15)
  --without-telegraf our side alone
  --output FILE      where the results go (e2e/bench/results/ingest.json)
`

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    devices: { type: 'string', default: '100,10000,100000' },
    messages: { type: 'string', default: '400000' },
    'warm-up': { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '15' },
    'without-telegraf': { type: 'boolean', default: false },
    output: { type: 'string', default: join(import.meta.dirname, 'results', 'ingest.json') },
  },
})

const say = (line: string): void => void process.stdout.write(`${line}\n`)

if (values.help) {
  say(HELP)
  process.exit(0)
}

const rounds = Number(values.rounds)
const busy = (loadavg()[0] ?? 0).toFixed(1)
say(
  `${availableParallelism()} processors, ${busy} of them busy before the start: on a busy machine compare ratios, not rates`,
)
const runs = await runRounds({
  rounds,
  devices: values.devices.split(',').map(Number),
  messages: Number(values.messages),
  warmUp: Number(values['warm-up']),
  seconds: Number(values.seconds),
  withoutTelegraf: values['without-telegraf'],
  say,
})
const report = reportOf(rounds, runs)
say(`\n${tableOf(report)}`)
mkdirSync(join(values.output, '..'), { recursive: true })
writeFileSync(values.output, `${JSON.stringify(report, undefined, 2)}\n`)
say(`\nwritten to ${values.output}`)
