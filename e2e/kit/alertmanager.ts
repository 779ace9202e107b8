import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toolPath } from '../tools/paths.ts'
import { type Child, startChild } from './child.ts'
import { type Place, placeOf } from './place.ts'
import { freePort } from './ports.ts'

export type AlertmanagerServer = Child & {
  readonly url: string
  /** What fires there now, as its API shows it. */
  firing(): Promise<AlertView[]>
}

export type AlertView = {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly startsAt: string
  readonly endsAt: string
  readonly generatorURL: string
}

const CONFIG = `route: {receiver: nobody}
receivers: [{name: nobody}]
`

/** Prometheus' Alertmanager, alone, telling nobody. It keeps no alerts over a restart. */
export const startAlertmanager = async (
  options: Place & { readonly host?: string; readonly port?: number } = {},
): Promise<AlertmanagerServer> => {
  const { directory, child: placed } = placeOf('alertmanager', options)
  const { host = '127.0.0.1', port = await freePort() } = options
  const url = `http://${host}:${port}`
  const file = join(directory, 'alertmanager.yml')
  writeFileSync(file, CONFIG)
  const child = await startChild({
    name: 'alertmanager',
    command: toolPath('alertmanager'),
    args: [
      `--config.file=${file}`,
      `--storage.path=${directory}`,
      `--web.listen-address=${host}:${port}`,
      '--cluster.listen-address=',
    ],
    ready: async () => (await fetch(`${url}/-/ready`)).ok,
    ...placed,
  })
  const firing = async (): Promise<AlertView[]> => {
    const response = await fetch(`${url}/api/v2/alerts?active=true&silenced=true&inhibited=true`)
    if (!response.ok) throw new Error(`Alertmanager answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as AlertView[]
  }
  return Object.assign(child, { url, firing })
}
