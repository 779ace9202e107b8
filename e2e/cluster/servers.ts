/** The three servers as a release of the chart beside this file: the same configuration as the kit's, in Secrets. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { newDeviceCa } from '@fleetloom/api/certificates/make-ca'
import { dynamicSecurityFile, mosquittoConf } from '@fleetloom/shared/broker/mosquitto/bootstrap'
import { newSecret } from '@fleetloom/shared/registry/secret'
import { adminOf } from '../kit/mosquitto.ts'
import { natsConf } from '../kit/nats.ts'
import { NATS_USERS, type NatsUser } from '../kit/nats-permissions.ts'
import { HEAP_MB, QUESTDB_USER, questdbArgs, questdbEnv } from '../kit/questdb.ts'
import { byName } from '../kit/secret-file.ts'
import { IMAGE, MOSQUITTO_PLUGIN, QUESTDB_JAR, serverImage } from './images.ts'

export const SERVERS_CHART = join(import.meta.dirname, 'servers-chart')

const DATA = '/data'
const ANY = '0.0.0.0'
const PORTS = { nats: 4222, monitor: 8222, http: 9000, postgres: 8812, mqtt: 1883 } as const
/** As many replicas of the api have an administrator at the broker. */
const APIS = 2

const password = (): string => randomBytes(24).toString('base64url')

type Passwords = {
  readonly nats: Readonly<Record<NatsUser, string>>
  readonly mqtt: { readonly operator: string; readonly api: string }
  readonly questdb: string
}

const natsConfig = ({ nats }: Passwords) => {
  const conf = { host: ANY, port: PORTS.nats, monitorPort: PORTS.monitor, directory: DATA }
  return { 'nats.conf': JSON.stringify(natsConf(conf, (user) => nats[user])) }
}

const mosquittoConfig = ({ mqtt }: Passwords) => ({
  'mosquitto.conf': mosquittoConf({ host: ANY, port: PORTS.mqtt, plugin: MOSQUITTO_PLUGIN, directory: DATA }),
  'dynamic-security.json': dynamicSecurityFile([
    adminOf('operator', 'fleetloom_operator', mqtt.operator),
    ...Array.from({ length: APIS }, (_, index) => adminOf('api', `fleetloom_api-${index}`, mqtt.api)),
  ]),
})

const questdbConfig = ({ questdb }: Passwords): Record<string, string> =>
  questdbEnv({
    host: ANY,
    port: PORTS.http,
    pgPort: PORTS.postgres,
    password: questdb,
    readerPassword: password(),
  })

/** The plugin keeps its file itself from the first start on. */
const PREPARE = `test -e ${DATA}/dynamic-security.json || cp /config/dynamic-security.json ${DATA}/`

const servers = (questdbVariables: readonly string[]) => ({
  nats: {
    image: serverImage('nats'),
    args: ['--config', '/config/nats.conf'],
    ports: { nats: PORTS.nats, monitor: PORTS.monitor },
    serviceType: 'ClusterIP',
    probe: { httpGet: { path: '/healthz', port: 'monitor' } },
    memory: '256Mi',
  },
  questdb: {
    image: serverImage('questdb'),
    args: questdbArgs(QUESTDB_JAR, DATA, HEAP_MB),
    env: Object.fromEntries(questdbVariables.map((name) => [name, name])),
    ports: { http: PORTS.http, postgres: PORTS.postgres },
    serviceType: 'ClusterIP',
    probe: { tcpSocket: { port: 'http' } },
    memory: '1Gi',
  },
  mosquitto: {
    image: serverImage('mosquitto'),
    args: ['-c', '/config/mosquitto.conf'],
    prepare: ['/bin/sh', '-c', PREPARE],
    ports: { mqtt: PORTS.mqtt },
    serviceType: 'NodePort',
    probe: { tcpSocket: { port: 'mqtt' } },
    memory: '256Mi',
  },
})

export type ServersRelease = {
  /** Values of the servers' chart. */
  readonly servers: object
  /** Values of our chart that fit them. */
  readonly fleetloom: object
  readonly adminKey: string
  /** Certificate (PEM) of the CA that signs devices' certificates. */
  readonly deviceCa: string
  readonly questdb: { readonly user: string; readonly password: string }
}

/** Values with new passwords and a new device CA. */
export const newServersRelease = async (): Promise<ServersRelease> => {
  const passwords: Passwords = {
    nats: byName(NATS_USERS, password),
    mqtt: { operator: password(), api: password() },
    questdb: password(),
  }
  const adminKey = `flk_first_${newSecret()}`
  const deviceCa = await newDeviceCa('Device CA of tests', new Date())
  const questdb = questdbConfig(passwords)
  const secrets = {
    'nats-config': natsConfig(passwords),
    'mosquitto-config': mosquittoConfig(passwords),
    'questdb-config': questdb,
    'fleetloom-nats': passwords.nats,
    'fleetloom-mqtt': passwords.mqtt,
    'fleetloom-questdb': { password: passwords.questdb },
    'fleetloom-platform-key': { 'platform-key': password() },
    'fleetloom-admin-key': { 'admin-key': adminKey },
    'fleetloom-device-ca': { 'tls.crt': deviceCa.certificate, 'tls.key': deviceCa.key },
  }
  return {
    servers: { servers: servers(Object.keys(questdb)), secrets },
    fleetloom: {
      image: { ...IMAGE, pullPolicy: 'Never' },
      questdb: { user: QUESTDB_USER },
      deviceCa: { existingSecret: 'fleetloom-device-ca' },
    },
    adminKey,
    deviceCa: deviceCa.certificate,
    questdb: { user: QUESTDB_USER, password: passwords.questdb },
  }
}
