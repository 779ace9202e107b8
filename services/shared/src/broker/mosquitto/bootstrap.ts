/**
 * What a Mosquitto for Fleetloom starts from: its dynamic security file and its configuration. The file is written once,
 * before the first start; from then on it is the plugin's own.
 *
 * What a stop of the broker costs, measured on 2.0.11 with 110-byte QoS 1 messages queued for an absent session: a clean
 * restart lost none of 200,000 (stopped in 0.3 s, back in 0.2 s). A SIGKILL loses what was acknowledged since the last save
 * and not yet taken by ingest: at most `autosaveSeconds` + 1 s of messages (16,395 of 500,000 with 5 s; the first save comes that long
 * after the start, and a session made since the last save is gone with its subscriptions). A save stops the broker for 0.8 µs a
 * queued message: 0.4 s at 500,000. While ingest keeps up nothing is queued, and what can be lost is what is in flight to it.
 */
import { pbkdf2Sync } from 'node:crypto'
import { linesOf } from './acl-lines.ts'
import { DEFAULT_ACCESS } from './mosquitto.ts'

/** `operator`: administers accounts, reads the broker's counters. `api`: administers accounts. `monitor`: reads the counters. */
export type AdminRole = 'operator' | 'api' | 'monitor'

/** The salt is given, so that the same input makes the same file: 12 random bytes. */
export type Admin = {
  readonly username: string
  readonly role: AdminRole
  readonly password: string
  readonly salt: Uint8Array
}

/** As many as Mosquitto itself uses for a new password: these are random too, so that guessing is hopeless with one. */
const ITERATIONS = 101
const SALT_BYTES = 12
const HASH_BYTES = 64

const CONTROL = { publish: ['$CONTROL/dynamic-security/v1'], subscribe: ['$CONTROL/dynamic-security/v1/response'] }
const STATUS = '$SYS/#'

const ROLES = {
  operator: { publish: CONTROL.publish, subscribe: [...CONTROL.subscribe, STATUS] },
  api: CONTROL,
  monitor: { publish: [], subscribe: [STATUS] },
} as const satisfies Record<AdminRole, unknown>

const clientOf = ({ username, role, password, salt }: Admin) => {
  if (salt.length !== SALT_BYTES) throw new RangeError(`the salt of ${username} must have ${SALT_BYTES} bytes`)
  return {
    username,
    clientid: username,
    textname: `Fleetloom's own (${role})`,
    roles: [{ rolename: `fleetloom-${role}` }],
    password: pbkdf2Sync(password, salt, ITERATIONS, HASH_BYTES, 'sha512').toString('base64'),
    salt: Buffer.from(salt).toString('base64'),
    iterations: ITERATIONS,
  }
}

/** Content of the first `dynamic-security.json`: deny by default, and the given administrators. */
export const dynamicSecurityFile = (admins: readonly Admin[]): string => {
  const roles = Object.entries(ROLES).map(([role, acl]) => ({ rolename: `fleetloom-${role}`, acls: linesOf(acl) }))
  const file = { defaultACLAccess: DEFAULT_ACCESS, clients: admins.map(clientOf), groups: [], roles }
  return `${JSON.stringify(file, undefined, 2)}\n`
}

/** A listener for devices that log in with a certificate of the platform's CA. All but the port are paths. */
export type CertificateListener = {
  readonly port: number
  /** Certificate of the device CA, whose word the listener takes; the server's own must be another's. */
  readonly deviceCaFile: string
  /** Revoked certificates, PEM. It must be there and be valid: without a valid list nobody is let in. */
  readonly revocationListFile: string
  readonly certFile: string
  readonly keyFile: string
}

export type MosquittoConf = {
  readonly host: string
  readonly port: number
  /** Path of mosquitto_dynamic_security.so */
  readonly plugin: string
  /** Folder that holds `dynamic-security.json` and the persistent store; absolute. */
  readonly directory: string
  /** What the broker queues for ingest at most while it is away. Default 1,000,000 messages, 1 GiB. */
  readonly queue?: { readonly messages: number; readonly bytes: number }
  readonly certificates?: CertificateListener
  /** Seconds between saves of the queues: what a SIGKILL may lose. Default 5. */
  readonly autosaveSeconds?: number
}

/** Told apart from devices with passwords by the listener: here the name in the certificate is the user name, whatever the client says. */
const certificateLines = (
  { host, directory }: Pick<MosquittoConf, 'host' | 'directory'>,
  { port, deviceCaFile, revocationListFile, certFile, keyFile }: CertificateListener,
): string =>
  `# Devices with certificates. The plugin still decides what each may do; one that it does not know may do nothing.
listener ${port} ${host}
require_certificate true
use_identity_as_username true
use_username_as_clientid true
cafile ${deviceCaFile}
# Read anew on SIGHUP, for connections made after it.
crlfile ${revocationListFile}
certfile ${certFile}
keyfile ${keyFile}
pid_file ${directory}/mosquitto.pid

`

const QUEUE = { messages: 1_000_000, bytes: 1024 ** 3 }

export const mosquittoConf = ({
  host,
  port,
  plugin,
  directory,
  queue = QUEUE,
  autosaveSeconds = 5,
  certificates,
}: MosquittoConf): string =>
  `# Made by Fleetloom.
# Devices and services alike: a password, and the client id is the user name, so that nobody can take over another's session.
listener ${port} ${host}
allow_anonymous false
use_username_as_clientid true
plugin ${plugin}
plugin_opt_config_file ${directory}/dynamic-security.json

${certificates === undefined ? '' : certificateLines({ host, directory }, certificates)}# Queues and sessions outlive the broker. Sessions never expire: ingest's must wait for it for as long as it takes.
persistence true
persistence_location ${directory}/
autosave_interval ${autosaveSeconds}

# What is queued for a session, ingest's above all, by whichever limit is reached first. Beyond it the broker drops the newest,
# acknowledges them all the same, and counts ($SYS/broker/publish/messages/dropped).
max_queued_messages ${queue.messages}
max_queued_bytes ${queue.bytes}
# As many unacknowledged messages as the receiver asks for; with a backlog this version sends more, and ingest holds the bound.
max_inflight_messages 0
# Payloads up to 1 MiB reach ingest, which answers for them; beyond it the broker ends the connection.
max_packet_size 1114112
# Seconds between the broker's own counters.
sys_interval 5
set_tcp_nodelay true
log_dest stderr
log_type error
log_type warning
log_type notice
`
