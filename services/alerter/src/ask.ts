/**
 * Answers about the shards held here, over core NATS. Who holds none of a fleet's shards says nothing, so whoever asks collects
 * answers until all shards have spoken.
 */
import { fleetKey, type Names } from '@fleetloom/crds/names'
import { askRequest, type ShardAnswer } from '@fleetloom/shared/alerts/ask'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Msg, NatsConnection } from '@nats-io/nats-core'
import type { FleetAlerter } from './fleet/fleet-alerter.ts'
import type { Fleets } from './fleet/fleets.ts'

export type AskOptions = {
  readonly connection: NatsConnection
  readonly names: Names
  readonly fleets: Pick<Fleets, 'get'>
  readonly log: Logger
}

/** What is known of each device; those of which nothing is are left out. */
const knownOf = <T>(devices: readonly string[], ask: (device: string) => T | undefined): Record<string, T> =>
  Object.fromEntries(
    devices.flatMap((device) => {
      const known = ask(device)
      return known === undefined ? [] : [[device, known]]
    }),
  )

const answersOf = (alerter: FleetAlerter, request: ReturnType<typeof askRequest.parse>): ShardAnswer[] =>
  [...alerter.shards()].map((shard) => {
    const from = { version: '1.0', uid: alerter.uid, shard: shard.index }
    if (request.kind === 'counters') return { ...from, counters: shard.counters }
    const { engine } = shard
    return {
      ...from,
      online: engine.online,
      known: engine.known,
      lastSeenMs: knownOf(request.devices, (device) => engine.lastSeenMs(device)),
      onlineDevices: knownOf(request.devices, (device) => engine.isOnline(device)),
    }
  })

/** The fleet that a subject asks about: its last two tokens. */
const keyOf = (subject: string): string => {
  const [namespace = '', name = ''] = subject.split('.').slice(-2)
  return fleetKey({ namespace, name })
}

export const serveAsks = ({ connection, names, fleets, log }: AskOptions): Disposable => {
  const answer = (message: Msg): void => {
    const alerter = fleets.get(keyOf(message.subject))
    const request = alerter && askRequest.safeParse(message.json())
    if (!alerter || !request?.success) return
    for (const one of answersOf(alerter, request.data)) message.respond(JSON.stringify(one))
  }
  const subscription = connection.subscribe(names.askSubject({ namespace: '*', name: '*' }), {
    callback: (error, message) => {
      try {
        if (error) throw error
        answer(message)
      } catch (fault) {
        log.warn(`a question was not answered: ${messageOf(fault)}`)
      }
    },
  })
  return { [Symbol.dispose]: () => subscription.unsubscribe() }
}
