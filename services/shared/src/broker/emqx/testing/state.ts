/**
 * What the stand-in for EMQX remembers, as a broker starts that nobody has configured: everybody gets in, everything is
 * allowed.
 */
import type { Ban, User, UserRecord } from '../api.ts'

export type Fields = Record<string, unknown>
export type StoredUser = User & { readonly password_hash?: string; readonly salt?: string }
export type TestSession = {
  readonly clientid: string
  readonly username: string
  readonly subscriptions: string[]
  connected: boolean
  mqueue_len: number
  inflight_cnt: number
  mqueue_max: number
  inflight_max: number
}

export type State = {
  authenticators: Fields[]
  users: Map<string, StoredUser>
  settings: Fields
  sources: Fields[]
  userRules: Map<string, UserRecord>
  clientRules: Map<string, Fields>
  allRules: Fields[]
  bans: (Ban & Fields)[]
  sessions: Map<string, TestSession>
  zone: Record<string, Fields>
  listeners: Map<string, Fields>
  metrics: Record<string, number>
}

/** The end of the stock acl.conf, and what stands before it. */
const STOCK_FILE = `%%-- Default ACL rules
{allow, {username, {re, "^dashboard$"}}, subscribe, ["$SYS/#"]}.
{allow, {ipaddr, "127.0.0.1"}, all, ["$SYS/#", "#"]}.
{deny, all, subscribe, ["$SYS/#", {eq, "#"}, {eq, "+/#"}]}.
{allow, all}.
%% - Change the last rule to \`{deny, all}.\`
`

export const NODE = 'emqx@127.0.0.1'

const listener = (type: string, port: number, enable: boolean): Fields => ({
  acceptors: 16,
  access_rules: ['allow all'],
  bind: `127.0.0.1:${port}`,
  current_connections: 0,
  enable,
  enable_authn: true,
  id: `${type}:default`,
  max_conn_rate: 'infinity',
  max_connections: 'infinity',
  mountpoint: '',
  proxy_protocol: false,
  proxy_protocol_timeout: '3s',
  running: enable,
  tcp_options: { active_n: 100, backlog: 1024, buffer: '4KB', high_watermark: '1MB', keepalive: 'none', nodelay: true },
  type,
  zone: 'default',
})

const stockZone = (): Record<string, Fields> => ({
  durable_sessions: { batch_size: 100, enable: false, heartbeat_interval: '5000ms', message_retention_period: '1d' },
  flapping_detect: { ban_time: '5m', enable: false, max_count: 15, window_time: '1m' },
  force_gc: { bytes: '16MB', count: 16000, enable: true },
  force_shutdown: { enable: true, max_heap_size: '32MB', max_mailbox_size: 1000 },
  mqtt: {
    use_username_as_clientid: false,
    clientid_override: 'disabled',
    mqueue_store_qos0: true,
    session_expiry_interval: '2h',
    peer_cert_as_username: 'disabled',
    max_qos_allowed: 2,
    max_mqueue_len: 1000,
    max_inflight: 32,
    shared_subscription_strategy: 'round_robin',
    max_packet_size: '1MB',
  },
})

export const freshState = (): State => ({
  authenticators: [],
  users: new Map(),
  settings: {
    cache: { enable: true, excludes: [], max_size: 32, ttl: '1m' },
    deny_action: 'ignore',
    no_match: 'allow',
  },
  sources: [{ enable: true, rules: STOCK_FILE, type: 'file' }],
  userRules: new Map(),
  clientRules: new Map(),
  allRules: [],
  bans: [],
  sessions: new Map(),
  zone: stockZone(),
  listeners: new Map([listener('tcp', 11883, true), listener('ssl', 8883, false)].map((one) => [String(one.id), one])),
  metrics: { 'delivery.dropped': 0, 'delivery.dropped.queue_full': 0, 'messages.received': 0 },
})
