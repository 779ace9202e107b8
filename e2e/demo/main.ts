/** `make demo`: everything on this machine, with readings of simulated and real devices; see README. */
import { once } from 'node:events'
import { label } from '@fleetloom/crds/names'
import { messageOf } from '@fleetloom/shared/process/logger'
import type { Device } from '../kit/api-client.ts'
import type { FleetStatus } from '../kit/fleet-status.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { SERVICES } from '../kit/services.ts'
import { until } from '../kit/until.ts'
import { playAlert } from './alert.ts'
import { checkRows } from './check.ts'
import { demoDevice } from './device.ts'
import {
  choosePorts,
  DATA,
  DemoError,
  logFileOf,
  markRunning,
  prepareFolder,
  RULE_SECRETS,
  runningDemo,
  shown,
} from './folder.ts'
import { showGuide } from './guide.ts'
import { dim, done, failed, say } from './screen.ts'
import { startSimulator } from './simulator.ts'
import { createWatchdog, type Watchdog } from './watchdog.ts'

const isCheck = !['', '0', undefined].includes(process.env.CHECK)

/** The weather of cities is published below `sensors/`; SHARED_PREFIX grants more, as `PREFIX/=NAMESPACE,…`. */
const SHARED_PREFIXES = ['sensors/=climate', ...(process.env.SHARED_PREFIX ?? '').split(',').filter(Boolean)]

const knownFleets = (platform: Platform): Promise<FleetStatus[]> =>
  until(async () => platform.fleets().then((fleets) => (fleets.length > 0 ? fleets : undefined)), {
    what: 'the operator to read the manifests',
  })

const start = async (stack: AsyncDisposableStack, watchdog: Watchdog) => {
  const platform = stack.use(
    await startPlatform({
      directory: DATA,
      sharedPrefixes: SHARED_PREFIXES,
      env: { operator: { SECRETS: RULE_SECRETS } },
      ports: await choosePorts(),
      logFile: logFileOf,
      onUp: (part) => done(part),
      onDeath: (part, how) => watchdog.died(part, logFileOf(part), how),
    }),
  )
  markRunning(platform.operator.url)
  for (const name of [...SERVICES, 'nats', 'mosquitto', 'questdb'] as const) watchdog.watch(name, platform[name])
  for (const fleet of await knownFleets(platform)) {
    await platform.untilReady(fleet, { deadlineMs: 60_000 })
    done(`fleet ${label(fleet)} is ready`)
  }
  const device = await demoDevice(platform, 'truck-1')
  const open = await demoDevice(platform, 'truck-2')
  const onDeath = (how: string) => watchdog.died('simulator', logFileOf('simulator'), how)
  const simulator = stack.use(await startSimulator(platform, { onDeath }))
  watchdog.watch('simulator', simulator)
  done('simulator')
  return { platform, device, open }
}

const interrupted: Promise<'interrupted'> = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]).then(
  () => 'interrupted',
)

/** What `work` gives, unless a part is given up (then its reason is thrown) or the user stops the demo. */
const meanwhile = <T>({ gaveUp }: Watchdog, work: Promise<T>): Promise<T | 'interrupted'> => {
  work.catch(() => undefined)
  return Promise.race([work, interrupted, gaveUp.then((reason) => Promise.reject(new DemoError(reason)))])
}

/** How long the door stays open once the alert fires: for a person to look. */
const OPEN_MS = 20_000

/** Plays the scene, and says where to look. */
const play = async (platform: Platform, device: Device, openMs: number): Promise<void> => {
  const onChange = (line: string, look: string): void => {
    done(line)
    say(`    ${dim(look)}`)
  }
  await playAlert(platform, device, { openMs, onChange })
}

const check = async ({ platform, device, open }: Awaited<ReturnType<typeof start>>): Promise<void> => {
  await checkRows(platform, device)
  await play(platform, open, 0)
}

/** An alert for the user to see; the demo goes on where it fails. */
const showAlert = async (platform: Platform, device: Device): Promise<void> => {
  try {
    await play(platform, device, OPEN_MS)
  } catch (error) {
    failed(`no alert was seen: ${messageOf(error)}`)
  }
}

const perform = async (stack: AsyncDisposableStack, watchdog: Watchdog): Promise<void> => {
  const started = await meanwhile(watchdog, start(stack, watchdog))
  if (started === 'interrupted') return
  const { platform, device, open } = started
  if (isCheck) return void (await meanwhile(watchdog, check(started)))
  showGuide(platform, device)
  await meanwhile(
    watchdog,
    showAlert(platform, open).then(() => new Promise<never>(() => undefined)),
  )
}

/** Leaves the terminal's ^C on a line of its own. */
const stop = async (stack: AsyncDisposableStack, watchdog: Watchdog): Promise<void> => {
  watchdog.stop()
  const sinceMs = performance.now()
  say(isCheck ? '' : '\nStopping…')
  await stack.disposeAsync()
  done('everything stopped', sinceMs)
}

const refuseSecond = (): void => {
  const running = runningDemo()
  if (running) throw new DemoError(`it runs already, as process ${running.pid}; see it with: make status`)
}

const demo = async (): Promise<void> => {
  refuseSecond()
  const { isFirst } = prepareFolder()
  say(`Starting Fleetloom${isFirst ? '; its data goes to' : ' again, with the data in'} ${shown(DATA)}/`)
  const stack = new AsyncDisposableStack()
  const watchdog = createWatchdog(!isCheck)
  try {
    await perform(stack, watchdog)
  } finally {
    await stop(stack, watchdog)
  }
}

try {
  await demo()
  process.exit(0)
} catch (error) {
  failed(`demo: ${messageOf(error)}`)
  process.exit(1)
}
