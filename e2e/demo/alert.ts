/**
 * The scene that the demo plays: a device leaves its door open until the example rule `door-open` fires, then closes it, and
 * the alert resolves. All of it goes the way of any reading.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Device } from '../kit/api-client.ts'
import type { MqttSession } from '../kit/mqtt.ts'
import type { Platform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { shown } from './folder.ts'

const RULE = 'door-open'
/** For the alert to fire and to resolve, beside the time that the door is left open in between. */
const DEADLINE_MS = 60_000
/** How often the device says how its door is. */
const EVERY_MS = 1_000

type Change = { readonly to: string; readonly at: string }

const historyPath = ({ namespace, device }: Device, since: string): string =>
  `/v1/alerts/history?${new URLSearchParams({ namespace, rule: RULE, device, from: since })}`

const getCommand = ({ api, adminKeyFile }: Platform, path: string): string =>
  `curl -s -H "Authorization: Bearer $(cat ${shown(adminKeyFile)})" '${api.url}${path}'`

/** Shows what fires now. */
export const firingCommand = (platform: Platform): string => getCommand(platform, '/v1/alerts')

/** Shows what became of the alert. */
const historyCommand = (platform: Platform, { namespace, device }: Device): string =>
  getCommand(platform, `/v1/alerts/history?namespace=${namespace}&device=${device}`)

const publish = (session: MqttSession, { namespace, name, device }: Device, door: string): Promise<unknown> => {
  const reading = JSON.stringify({ temperature: 4.2, door, ts: Date.now() })
  return session.client.publishAsync(`fleets/${namespace}/${name}/${device}/telemetry`, reading, { qos: 1 })
}

export type Scene = {
  /** How long the door stays open once the alert fires. */
  readonly openMs: number
  /** Told of each change as it comes, with a command that shows it. */
  readonly onChange: (line: string, look: string) => void
}

/** Plays the scene. @throws when the alert does not fire and resolve in time. */
export const playAlert = async (platform: Platform, device: Device, { openMs, onChange }: Scene): Promise<void> => {
  await using session = await platform.connect(device)
  const since = new Date().toISOString()
  const endMs = performance.now() + DEADLINE_MS + openMs
  const untilIs = (state: string, door: string): Promise<unknown> =>
    until(
      async () => {
        await publish(session, device, door)
        const { items } = await platform.call<{ items: Change[] }>('GET', historyPath(device, since))
        return items.some(({ to }) => to === state)
      },
      {
        what: `alert ${RULE} of ${device.device} to be ${state}`,
        deadlineMs: Math.max(0, endMs - performance.now()),
        everyMs: EVERY_MS,
      },
    )
  await untilIs('firing', 'open')
  onChange(`alert ${RULE} fires for ${device.device}`, firingCommand(platform))
  for (const openUntilMs = performance.now() + openMs; performance.now() < openUntilMs; await sleep(EVERY_MS))
    await publish(session, device, 'open')
  await untilIs('resolved', 'closed')
  onChange(`alert ${RULE} is resolved`, historyCommand(platform, device))
}
