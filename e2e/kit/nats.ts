import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toolPath } from '../tools/paths.ts'
import { type Child, startChild } from './child.ts'
import { NATS_USERS, type NatsUser, natsPermissions } from './nats-permissions.ts'
import { type Place, placeOf } from './place.ts'
import { freePort } from './ports.ts'
import { byName, type Secret, secretFile } from './secret-file.ts'

export type NatsServer = Child & {
  /** Where its data lies. */
  readonly directory: string
  readonly url: string
  readonly port: number
  /** HTTP: /healthz, /jsz, /connz. */
  readonly monitorUrl: string
  /** Password of each user, and the file that holds it. */
  readonly users: Readonly<Record<NatsUser, Secret>>
  /** What `connectNats` of services/shared takes. */
  settings(user?: NatsUser): { readonly natsUrl: string; readonly natsUser: string; readonly natsPasswordFile: string }
}

export type NatsOptions = Place & {
  readonly port?: number | undefined
  readonly monitorPort?: number | undefined
  readonly installation?: string | undefined
  /** Disk that streams may reserve; default 16 GiB. */
  readonly maxFileBytes?: number
}

const HOST = '127.0.0.1'

type NatsConf = Pick<NatsOptions, 'installation' | 'maxFileBytes'> & {
  readonly host: string
  readonly port: number
  readonly monitorPort: number
  readonly directory: string
}

/** The server's configuration; JSON is what it reads. */
export const natsConf = (options: NatsConf, passwordOf: (user: NatsUser) => string): object => {
  const permissions = natsPermissions(options.installation)
  return {
    host: options.host,
    port: options.port,
    http: `${options.host}:${options.monitorPort}`,
    server_name: 'fleetloom',
    max_payload: 1024 ** 2,
    jetstream: {
      store_dir: options.directory,
      max_memory_store: 64 * 1024 ** 2,
      max_file_store: options.maxFileBytes ?? 16 * 1024 ** 3,
    },
    authorization: {
      users: NATS_USERS.map((user) => ({ user, password: passwordOf(user), permissions: permissions[user] })),
    },
  }
}

/** nats-server with JetStream and a user per service with the rights it needs. */
export const startNats = async (options: NatsOptions = {}): Promise<NatsServer> => {
  const place = placeOf('nats', options)
  const { directory } = place
  const port = options.port ?? (await freePort())
  const monitorPort = options.monitorPort ?? (await freePort())
  const users = byName(NATS_USERS, (user) => secretFile(join(directory, 'secrets', user)))
  const file = join(directory, 'nats.conf')
  const content = natsConf({ ...options, host: HOST, directory, port, monitorPort }, (user) => users[user].value)
  writeFileSync(file, JSON.stringify(content, undefined, 2), { mode: 0o600 })
  const monitorUrl = `http://${HOST}:${monitorPort}`
  const child = await startChild({
    name: 'nats-server',
    command: toolPath('nats-server'),
    args: ['--config', file],
    env: { GOMEMLIMIT: '512MiB' },
    ready: async () => (await fetch(`${monitorUrl}/healthz`)).ok,
    ...place.child,
  })
  const url = `nats://${HOST}:${port}`
  const settings = (user: NatsUser = 'admin') => ({
    natsUrl: url,
    natsUser: user,
    natsPasswordFile: users[user].file,
  })
  return Object.assign(child, { directory, url, port, monitorUrl, users, settings })
}
