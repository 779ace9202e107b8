/** An adapter against a stand-in, for tests: nothing is logged, accounts are short to write. */
import { createLogger } from '../../../process/logger.ts'
import type { Acl, Broker, NewAccount } from '../../broker.ts'
import { connectEmqx, type EmqxSettings } from '../emqx.ts'
import { Rest } from '../rest.ts'
import { type EmqxStandIn, startEmqx } from './server.ts'

export const ACL: Acl = { publish: ['fleets/ns/f/d/telemetry'], subscribe: ['fleets/ns/f/d/commands'] }

export const account = (username: string, change: Partial<NewAccount> = {}): NewAccount => ({
  username,
  acl: ACL,
  disabled: false,
  secret: { plain: `secret of ${username}` },
  ...change,
})

export const connectTo = (emqx: EmqxStandIn, change: Partial<EmqxSettings> = {}): Broker =>
  connectEmqx({
    url: emqx.url,
    readKey: async () => ({ ...emqx.apiKey }),
    installation: 'fleetloom',
    log: createLogger('test', 'silent'),
    timeoutMs: 5_000,
    ...change,
  })

/** The adapter's requests alone. */
export const restTo = (emqx: EmqxStandIn, timeoutMs = 5_000): Rest =>
  new Rest({ url: emqx.url, readKey: async () => ({ ...emqx.apiKey }), timeoutMs })

export type Pair = AsyncDisposable & { readonly emqx: EmqxStandIn; readonly broker: Broker }

/** A broker whose doors are closed already. */
export const startBroker = async (change: Partial<EmqxSettings> = {}): Promise<Pair> => {
  const emqx = await startEmqx()
  const broker = connectTo(emqx, change)
  await broker.secureDefaults()
  emqx.asked.length = 0
  return {
    emqx,
    broker,
    [Symbol.asyncDispose]: async () => {
      await broker[Symbol.asyncDispose]()
      await emqx[Symbol.asyncDispose]()
    },
  }
}
