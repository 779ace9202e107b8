/**
 * Mosquitto 2 with its dynamic security plugin, as a `Broker`. An account is a client and a role of the same name.
 *
 * Who administers connects as one MQTT user, and where the client id is the user name there is one connection per user:
 * each replica of a service needs a user of its own. The plugin knows no rights within itself: who may use its control
 * topic may do everything with it.
 *
 * What it costs, measured on 2.0.11 on two cores: the plugin writes its whole file (1.4 kB a device) on every command that
 * changes something, and a device takes two (role, client), so adding devices is quadratic: 1 ms a device at 100, 5 at 500,
 * 12 at 1,000, 27 at 2,000 (35 s for the first 2,000); changing an ACL at 2,000 devices takes 20 ms, removing a device
 * 38. Batching saves nothing but round trips; there is no command that makes both, and no reload of the file. So this is
 * the broker for some hundreds of devices, 2,000 at most (5,700 took 11 minutes beside other work). Listing 2,000 takes 80 ms.
 *
 * With certificates (`use_identity_as_username`) the listener alone decides who may log in: *measured*, the plugin is not asked, and a
 * client that is disabled or absent is let in with no rights. So whoever is to stay out stands on the revocation list (`crlfile`).
 *
 * What it can't do: take hashed secrets (a lost account's device needs a new one) or slow a listener down. An ACL change
 * does not end the session: each publish and each delivery is checked, so what was revoked stops at once. Setting a secret,
 * disabling and kicking end the connection; a persistent session itself is kept, ingest's with its queue.
 */
import { z } from 'zod'
import type { Broker, NewAccount } from '../broker.ts'
import { aclCommands, markOf, type PlainAccount, putCommands, removeCommands } from './account.ts'
import { Accounts, noAccount, type Plan } from './accounts.ts'
import { Control, type ControlSettings } from './control.ts'
import { listenToCounters } from './counters.ts'

export type MosquittoSettings = ControlSettings & { readonly installation: string }

/** Deny is the default; unsubscribing harms nobody. */
export const DEFAULT_ACCESS: Readonly<Record<string, boolean>> = {
  publishClientSend: false,
  publishClientReceive: false,
  subscribe: false,
  unsubscribe: true,
}

/** Below that of a readiness check, so that the reason is ours. */
const PING_TIMEOUT_MS = 1_500

/** Starts to connect and returns at once; calls wait for the connection for up to 3 s, then throw `BrokerUnavailable`. */
export const connectMosquitto = (settings: MosquittoSettings): Broker => {
  const control = new Control(settings)
  const counters = listenToCounters(control)
  const mark = markOf(settings.installation)
  const accounts = new Accounts(control, mark)
  return {
    kind: 'mosquitto',
    acceptsHashes: false,
    ping: async () => void (await control.run([{ command: 'getDefaultACLAccess' }], PING_TIMEOUT_MS)),
    secureDefaults: () => secureDefaults(control),
    list: () => accounts.list(),
    put: (wanted) =>
      accounts.change(wanted, (account, held) =>
        isPlain(account) ? { commands: putCommands(account, held, mark) } : TAKES_NO_HASH,
      ),
    setAcl: (wanted) =>
      accounts.change(wanted, ({ username, acl }, { client, role }) =>
        client === undefined ? noAccount(username) : { commands: aclCommands(username, acl, { client, role }, mark) },
      ),
    setDisabled: (username, disabled) =>
      accounts.changeOne(username, ({ disabled: now = false }) =>
        now === disabled ? [] : [{ command: disabled ? 'disableClient' : 'enableClient', username }],
      ),
    kick: (username) => accounts.changeOne(username, () => [{ command: 'modifyClient', username }]),
    remove: (usernames) =>
      accounts.change(
        usernames.map((username) => ({ username })),
        ({ username }, held) => ({ commands: removeCommands(username, held) }),
      ),
    counters,
    [Symbol.asyncDispose]: () => control[Symbol.asyncDispose](),
  }
}

const isPlain = (account: NewAccount): account is PlainAccount => !('hash' in account.secret)

const TAKES_NO_HASH: Plan = { error: 'this broker takes no hashed secret: the device needs a new one' }

const defaults = z.object({ acls: z.array(z.object({ acltype: z.string(), allow: z.boolean() })) })

const secureDefaults = async (control: Control): Promise<string[]> => {
  const [reply] = await control.run([{ command: 'getDefaultACLAccess' }])
  const wrong = defaults.parse(reply?.data).acls.filter(({ acltype, allow }) => DEFAULT_ACCESS[acltype] !== allow)
  if (wrong.length === 0) return []
  const acls = wrong.map(({ acltype, allow }) => ({ acltype, allow: !allow }))
  const [done] = await control.run([{ command: 'setDefaultACLAccess', acls }])
  if (done?.error !== undefined) throw new Error(`broker refused setDefaultACLAccess: ${done.error}`)
  const word = (allow: boolean): string => (allow ? 'allow' : 'deny')
  return acls.map(({ acltype, allow }) => `default access of ${acltype} was ${word(!allow)}, is now ${word(allow)}`)
}
