/** Broker, database and NATS of the bench, one of each for all contenders. */
import { randomBytes } from 'node:crypto'
import { connectMosquitto } from '@fleetloom/shared/broker/mosquitto/mosquitto'
import { createLogger } from '@fleetloom/shared/process/logger'
import { connectAsync } from 'mqtt'
import { startMosquitto } from '../kit/mosquitto.ts'
import { startNats } from '../kit/nats.ts'
import { startQuestdb } from '../kit/questdb.ts'
import type { Bench } from './contender.ts'

/** A clean session of that user throws away what the broker held for it. */
const forgetSession = async (url: string, username: string, password: string): Promise<void> => {
  const client = await connectAsync(url, { username, password, clientId: username, clean: true, reconnectPeriod: 0 })
  await client.endAsync()
}

export const startServers = async (): Promise<Bench & AsyncDisposable> => {
  const stack = new AsyncDisposableStack()
  const nats = stack.use(await startNats())
  const mosquitto = stack.use(await startMosquitto({ queue: { messages: 4_000_000, bytes: 4 * 1024 ** 3 } }))
  const questdb = stack.use(await startQuestdb({ heapMb: 512 }))
  const { username, value: password } = mosquitto.admins.test
  const log = createLogger('bench', 'error')
  const broker = stack.use(connectMosquitto({ url: mosquitto.url, username, password, installation: 'bench', log }))
  const passwords = new Map<string, string>()
  const check = (results: readonly { error?: string }[]): void => {
    for (const { error } of results) if (error !== undefined) throw new Error(error)
  }
  return {
    nats,
    mosquitto,
    questdb,
    user: async (name, acl, plain = randomBytes(18).toString('base64url')) => {
      check(await broker.put([{ username: name, acl, disabled: false, secret: { plain } }]))
      passwords.set(name, plain)
      return plain
    },
    removeUser: async (name) => {
      await forgetSession(mosquitto.url, name, passwords.get(name) ?? '')
      check(await broker.remove([name]))
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
