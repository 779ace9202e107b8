/** What the demo shows once it runs: addresses, and four commands to try. */
import { readFileSync } from 'node:fs'
import type { Device } from '../kit/api-client.ts'
import type { Platform } from '../kit/platform.ts'
import { firingCommand } from './alert.ts'
import { MANIFESTS, shown } from './folder.ts'
import { bold, say, table } from './screen.ts'

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** Publishes a reading as the device. */
export const publishCommand = ({ mosquitto }: Platform, device: Device): string =>
  [
    `mosquitto_pub -V mqttv5 -h ${mosquitto.host} -p ${mosquitto.port} -u ${device.username} -P ${quoted(device.password)}`,
    `-q 1 -t fleets/${device.namespace}/${device.name}/${device.device}/telemetry`,
    `-m ${quoted('{"temperature": 4.2, "door": "closed"}')}`,
  ].join(' ')

/** Shows the newest readings of the device: those of its whole fleet are soon others'. */
export const queryCommand = ({ questdb }: Platform, { namespace, name, device }: Device): string =>
  [
    `curl -sG ${questdb.url}/exp -u ${questdb.user}:${questdb.password.value}`,
    `--data-urlencode ${quoted(`query=SELECT ts, device, temperature, door FROM ${namespace}_${name} WHERE device = '${device}' ORDER BY ts DESC LIMIT 5`)}`,
  ].join(' ')

const addresses = (platform: Platform): [string, string][] => {
  const { mosquitto, nats, questdb, api, operator, ingest, writer, alerter } = platform
  return [
    ['MQTT broker', `${mosquitto.url}   user and password of a registered device`],
    ['api', `${api.url}   Authorization: Bearer ${readFileSync(platform.adminKeyFile, 'utf8').trim()}`],
    ['QuestDB', `${questdb.url}   ${questdb.user} / ${questdb.password.value}`],
    [
      '  PostgreSQL',
      `127.0.0.1:${questdb.pgPort}   read only: ${questdb.reader.user} / ${questdb.reader.password.value}`,
    ],
    ['operator', `${operator.url}/status`],
    ['ingest', `${ingest.url}/metrics`],
    ['writer', `${writer.url}/metrics`],
    ['alerter', `${alerter.url}/metrics`],
    ['NATS', `${nats.url}   monitor ${nats.monitorUrl}`],
  ]
}

export const showGuide = (platform: Platform, device: Device): void => {
  say()
  table(addresses(platform))
  say()
  say(bold('Be a device: publish a reading'))
  say(`  ${publishCommand(platform, device)}`)
  say(bold('See it in the database'))
  say(`  ${queryCommand(platform, device)}`)
  say(bold('See what alerts fire: truck-2 is about to leave its door open for half a minute'))
  say(`  ${firingCommand(platform)}`)
  say(bold('Change a fleet: add a measurement, then watch it converge'))
  say(
    `  sed -i 's/^  measurements:/&\\n    - { name: battery, type: Double, unit: V }/' ${shown(MANIFESTS)}/reefers.yaml && make status`,
  )
  say()
  say('Ctrl-C stops everything; the next start goes on with the same data.')
}
