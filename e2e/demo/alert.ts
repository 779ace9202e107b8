/**
 * The scene that the demo plays: the user's device leaves its door open until the example rule `door-open` fires, then closes it, and
 * the alert resolves. All of it goes the way of any reading.
 */
import type { Device } from '../kit/api-client.ts'
import type { MqttSession } from '../kit/mqtt.ts'
import type { Platform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { shown } from './folder.ts'

const RULE = 'door-open'
const DEADLINE_MS = 60_000
/** How often the device says how its door is. */
const EVERY_MS = 1_000

type Change = { readonly to: string; readonly at: string }

const historyPath = ({ namespace, device }: Device, since: string): string =>
  `/v1/alerts/history?${new URLSearchParams({ namespace, rule: RULE, device, from: since })}`

/** Shows what became of the alert. */
export const historyCommand = ({ api, adminKeyFile }: Platform, device: Device): string =>
  `curl -s -H "Authorization: Bearer $(cat ${shown(adminKeyFile)})" '${api.url}/v1/alerts/history?namespace=${device.namespace}&device=${device.device}'`

const publish = (session: MqttSession, { namespace, name, device }: Device, door: string): Promise<unknown> => {
  const reading = JSON.stringify({ temperature: 4.2, door, ts: Date.now() })
  return session.client.publishAsync(`fleets/${namespace}/${name}/${device}/telemetry`, reading, { qos: 1 })
}

/** Plays the scene; tells of each change as it comes. @throws when the alert does not fire and resolve in time. */
export const playAlert = async (
  platform: Platform,
  device: Device,
  onChange: (line: string) => void,
): Promise<void> => {
  await using session = await platform.connect(device)
  const since = new Date().toISOString()
  const untilIs = (state: string, door: string): Promise<unknown> =>
    until(
      async () => {
        await publish(session, device, door)
        const { items } = await platform.call<{ items: Change[] }>('GET', historyPath(device, since))
        return items.some(({ to }) => to === state)
      },
      { what: `alert ${RULE} of ${device.device} to be ${state}`, deadlineMs: DEADLINE_MS, everyMs: EVERY_MS },
    )
  await untilIs('firing', 'open')
  onChange(`alert ${RULE} fires for ${device.device}`)
  await untilIs('resolved', 'closed')
  onChange(`alert ${RULE} is resolved`)
}
