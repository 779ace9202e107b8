/** Runs the contenders in turn: for each number of devices, each round measures both, the one that begins alternating. */
import type { Login } from '@fleetloom/simulator/load/session'
import { type Bench, type Contender, type ContenderName, topicOf } from './contender.ts'
import { latency, type Subject, type Throughput, throughput } from './measure.ts'
import { startOurs } from './ours.ts'
import type { OursRun, Runs } from './report.ts'
import { startServers } from './servers.ts'
import { startTelegraf, telegrafProgram } from './telegraf.ts'

export type RoundsOptions = {
  readonly rounds: number
  readonly devices: readonly number[]
  readonly messages: number
  readonly warmUp: number
  readonly seconds: number
  readonly withoutTelegraf: boolean
  readonly say: (line: string) => void
}

const PUBLISHERS = 4

/** The generator's users: with this many devices, each with a wide ACL. */
const publishers = async (bench: Bench): Promise<Login[]> => {
  const names = Array.from({ length: PUBLISHERS }, (_, i) => `bench_publisher_${i}`)
  const logins: Login[] = []
  for (const username of names) {
    const password = await bench.user(username, { publish: [topicOf('+')], subscribe: [] })
    logins.push({ clientId: username, username, password })
  }
  return logins
}

type Setup = RoundsOptions & { readonly bench: Bench; readonly logins: readonly Login[]; readonly telegraf?: string }

const devicesOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `device-${i}`)

const subjectOf = ({ bench, logins }: Setup, contender: Contender, devices: number): Subject => ({
  bench,
  contender,
  logins,
  devices: devicesOf(devices),
})

const line = (name: string, { cpuMicros, rate, rssMb }: Throughput): string => {
  const cpu = Object.entries(cpuMicros).map(([part, micros]) => `${part} ${micros.toFixed(2)} µs`)
  const memory = Object.entries(rssMb).map(([part, mb]) => `${part} ${Math.round(mb)} MB`)
  return `${name}: ${[...cpu, `${Math.round(rate)}/s`, ...memory].join(', ')}`
}

const measureOurs = async (setup: Setup, devices: number): Promise<OursRun> => {
  await using contender = await startOurs(setup.bench, devices)
  const subject = subjectOf(setup, contender, devices)
  const pushed = await throughput(subject, setup.messages, setup.warmUp)
  setup.say(`  ${line('ours', pushed)}`)
  const waited = await latency(subject, pushed.rate / 2, setup.seconds)
  setup.say(`  ours: p50 ${Math.round(waited.p50Ms)} ms, p99 ${Math.round(waited.p99Ms)} ms at half that rate`)
  return { ...pushed, ...waited }
}

const measureTelegraf = async (setup: Setup, program: string, devices: number): Promise<Throughput> => {
  await using contender = await startTelegraf(setup.bench, program, devices)
  const pushed = await throughput(subjectOf(setup, contender, devices), setup.messages, setup.warmUp)
  setup.say(`  ${line('telegraf', pushed)}`)
  return pushed
}

const measureDevices = async (setup: Setup, devices: number): Promise<Runs> => {
  const [ours, telegraf]: [OursRun[], Throughput[]] = [[], []]
  const { telegraf: program } = setup
  const turns: Record<ContenderName, () => Promise<unknown>> = {
    ours: async () => ours.push(await measureOurs(setup, devices)),
    telegraf: async () => program !== undefined && telegraf.push(await measureTelegraf(setup, program, devices)),
  }
  for (let round = 0; round < setup.rounds; round++) {
    setup.say(`${devices} devices, round ${round + 1} of ${setup.rounds}`)
    const order: ContenderName[] = round % 2 === 0 ? ['ours', 'telegraf'] : ['telegraf', 'ours']
    for (const name of order) await turns[name]()
  }
  return { devices, ours, telegraf }
}

const telegrafFor = async ({ withoutTelegraf, say }: RoundsOptions): Promise<{ telegraf?: string }> => {
  if (withoutTelegraf) return {}
  const found = await telegrafProgram()
  if ('path' in found) return { telegraf: found.path }
  say(`Telegraf is skipped: ${found.missing}`)
  return {}
}

export const runRounds = async (options: RoundsOptions): Promise<Runs[]> => {
  const program = await telegrafFor(options)
  await using bench = await startServers()
  const setup = { ...options, ...program, bench, logins: await publishers(bench) }
  const runs: Runs[] = []
  for (const devices of options.devices) runs.push(await measureDevices(setup, devices))
  return runs
}
