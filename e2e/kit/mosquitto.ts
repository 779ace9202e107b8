import { createHash } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { DeviceCaFiles } from '@fleetloom/api/certificates/make-ca'
import {
  type Admin,
  type AdminRole,
  type CertificateListener,
  dynamicSecurityFile,
  type MosquittoConf,
  mosquittoConf,
} from '@fleetloom/shared/broker/mosquitto/bootstrap'
import { connectAsync } from 'mqtt'
import { toolPath } from '../tools/paths.ts'
import { type Child, startChild } from './child.ts'
import { type Place, placeOf } from './place.ts'
import { freePort } from './ports.ts'
import { byName, type Secret, secretFile } from './secret-file.ts'

/** `test` administers accounts as the operator does, for tests that make users of their own. */
export const MOSQUITTO_ADMINS = ['operator', 'api', 'monitor', 'test'] as const
export type MosquittoAdmin = (typeof MOSQUITTO_ADMINS)[number]

export type MosquittoServer = Child & {
  readonly url: string
  readonly host: string
  readonly port: number
  /** What it queues for ingest at most; undefined: the default of services/shared. */
  readonly queue: MosquittoConf['queue']
  /** Where devices with certificates connect, and by which CA they know it; absent without a device CA. */
  readonly tls: MosquittoTls | undefined
  /** MQTT user name and password of each administrator. */
  readonly admins: Readonly<Record<MosquittoAdmin, Secret & { readonly username: string }>>
}

export type MosquittoTls = {
  readonly url: string
  readonly port: number
  readonly caFile: string
  readonly pidFile: string
}

export type MosquittoOptions = Place & {
  /** The CA of devices with certificates and its revocation list: opens a listener for them. */
  readonly deviceCa?: Pick<DeviceCaFiles, 'certFile' | 'listFile'> | undefined
  readonly tlsPort?: number | undefined
  readonly port?: number | undefined
  readonly installation?: string | undefined
  readonly queue?: MosquittoConf['queue']
  readonly autosaveSeconds?: number
}

const HOST = '127.0.0.1'

/** An administrator whose salt follows from its name and password. */
export const adminOf = (role: AdminRole, username: string, password: string): Admin => {
  const salt = createHash('sha256').update(username).update(password).digest().subarray(0, 12)
  return { username, password, salt, role }
}

/** The first dynamic security file; from then on it is the plugin's own. */
const initialise = (file: string, admins: MosquittoServer['admins']): void => {
  if (existsSync(file)) return
  const entries = MOSQUITTO_ADMINS.map((name) =>
    adminOf(name === 'test' ? 'operator' : name, admins[name].username, admins[name].value),
  )
  writeFileSync(file, dynamicSecurityFile(entries), { mode: 0o600 })
}

/** The listener for devices with certificates, with a certificate of its own from another CA. */
const certificateListener = async (directory: string, { deviceCa, tlsPort }: MosquittoOptions) => {
  if (deviceCa === undefined) return {}
  const { serverTls } = await import('./certificates.ts')
  const { caFile, certFile, keyFile } = await serverTls(join(directory, 'tls'))
  const port = tlsPort ?? (await freePort())
  const certificates: CertificateListener = {
    ...{ port, certFile, keyFile },
    deviceCaFile: deviceCa.certFile,
    revocationListFile: deviceCa.listFile,
  }
  const tls: MosquittoTls = { port, caFile, url: `mqtts://${HOST}:${port}`, pidFile: join(directory, 'mosquitto.pid') }
  return { certificates, tls }
}

type ConfOptions = Pick<MosquittoConf, 'directory' | 'port' | 'queue' | 'autosaveSeconds' | 'certificates'>

const writeConf = (options: ConfOptions): string => {
  const conf = mosquittoConf({
    host: HOST,
    plugin: toolPath('Mosquitto dynamic security plugin'),
    ...options,
  })
  const file = join(options.directory, 'mosquitto.conf')
  writeFileSync(
    file,
    `${conf}# Started by root it would become the user "mosquitto", who can't read this folder.\nuser ${userInfo().username}\n`,
  )
  return file
}

/** Mosquitto with dynamic security: nobody but its administrators may do anything yet. */
export const startMosquitto = async (options: MosquittoOptions = {}): Promise<MosquittoServer> => {
  const { directory, child: placed } = placeOf('mosquitto', options)
  const port = options.port ?? (await freePort())
  const admins = byName(MOSQUITTO_ADMINS, (name) => ({
    username: `${options.installation ?? 'fleetloom'}_${name}`,
    ...secretFile(join(directory, 'secrets', name)),
  }))
  initialise(join(directory, 'dynamic-security.json'), admins)
  const { queue, autosaveSeconds } = options
  const { certificates, tls } = await certificateListener(directory, options)
  const file = writeConf({
    ...{ directory, port },
    ...(queue && { queue }),
    ...(autosaveSeconds !== undefined && { autosaveSeconds }),
    ...(certificates && { certificates }),
  })
  const url = `mqtt://${HOST}:${port}`
  const { username, value: password } = admins.monitor
  const child = await startChild({
    name: 'mosquitto',
    command: toolPath('mosquitto'),
    args: ['-c', file],
    ready: async () => {
      const client = await connectAsync(url, { username, password, reconnectPeriod: 0, connectTimeout: 2_000 }, false)
      await client.endAsync(true)
    },
    ...placed,
  })
  return Object.assign(child, { url, host: HOST, port, queue, tls, admins })
}
