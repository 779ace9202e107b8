/**
 * EMQX 5.8 over its REST API v5, as a `Broker`. An account is a user of the built-in authenticator, whose hash EMQX takes
 * as it is, and a record of rules of the same name that begins with our mark.
 *
 * It needs an API key with the role administrator. What REST can't do must stand in EMQX's own configuration
 * (docs/adr/0010-emqx.md): persistence of its data folder; the authenticator and `no_match = deny`, so that a broker that
 * lost its data starts shut, not open until the operator's next look; and, for `zone: static`, a zone and a listener of
 * ingest's own.
 *
 * What it can't do: tell how many bytes are queued; keep a session's queue over a restart of its node (sessions are in
 * memory). A kick throws the queue away, so ingest's sessions are never kicked or disabled here: rights they lose are
 * unsubscribed. `$share/GROUP/F` is allowed as F.
 */
import type { Logger } from '../../process/logger.ts'
import { type Broker, BrokerUnavailable } from '../broker.ts'
import { Accounts } from './accounts.ts'
import { AUTHENTICATOR } from './api.ts'
import { pollCounters } from './counters.ts'
import { secureDefaults } from './defaults.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { Rest, type RestSettings } from './rest.ts'

export type EmqxSettings = RestSettings & {
  readonly installation: string
  readonly limits?: Partial<Limits>
  readonly log: Logger
}

/** Below that of a readiness check, so that the reason is ours. */
const PING_TIMEOUT_MS = 1_500

/** Connects with the first call. */
export const connectEmqx = (settings: EmqxSettings): Broker => {
  const { installation, log } = settings
  const limits = { ...DEFAULT_LIMITS, ...settings.limits }
  const rest = new Rest(settings)
  const accounts = new Accounts(rest, installation)
  const counters = pollCounters({ rest, installation, limits, log })
  return {
    kind: 'emqx',
    acceptsHashes: true,
    ping: () => ping(rest),
    secureDefaults: () => secureDefaults(rest, limits),
    list: () => accounts.list(),
    put: (wanted) => accounts.put(wanted),
    setAcl: (wanted) => accounts.setAcl(wanted),
    setDisabled: (username, disabled) => accounts.setDisabled(username, disabled),
    kick: (username) => accounts.kick(username),
    remove: (usernames) => accounts.remove(usernames),
    counters: () => counters.latest(),
    [Symbol.asyncDispose]: async () => {
      counters[Symbol.dispose]()
      await rest[Symbol.asyncDispose]()
    },
  }
}

/** EMQX's /status says running before its database can be asked: only the users' table tells. */
const ping = async (rest: Rest): Promise<void> => {
  const path = ['authentication', AUTHENTICATOR, 'users']
  const query = [['limit', '1']] as const
  const { status } = await rest.call({
    method: 'GET',
    path,
    query,
    expect: [200, 404],
    tries: 1,
    timeoutMs: PING_TIMEOUT_MS,
  })
  if (status === 404) throw new BrokerUnavailable('the broker has no password authenticator yet; the operator makes it')
}
