/**
 * A load run: `count` uniquely numbered QoS 1 messages of many devices over a few connections, as fast as the broker
 * acknowledges or at a steady rate, with a record of exactly which were acknowledged.
 *
 * Message n goes over connection n mod C; a device's messages all go over one connection, so their order is the order of
 * their numbers. `deviceOf(n)` is the same in every run with the same devices and connections.
 */
import { LoadConnection } from './connection.ts'
import { NumberSet } from './number-set.ts'
import { encodeTopic } from './packets.ts'
import type { PayloadMaker } from './payload.ts'
import type { Login } from './session.ts'

export type LoadOptions = {
  readonly host?: string
  readonly port: number
  /** 4 is MQTT 3.1.1. */
  readonly version?: 4 | 5
  /** One connection for each. */
  readonly logins: readonly Login[]
  /** At least as many as logins. */
  readonly devices: readonly string[]
  readonly topicOf: (device: string) => string
  readonly payload: PayloadMaker
  /** Messages in all; default: until `stop`. */
  readonly count?: number
  /** Messages per second over all connections; 0 is as many as the broker takes. */
  readonly rate?: number
  /** Messages in flight on each connection; the broker's Receive Maximum may lower it. */
  readonly window?: number
  /** Survive the loss of connections, a restart of the broker among them. */
  readonly reconnect?: boolean
}

export type LoadStats = {
  readonly sent: number
  readonly acknowledged: number
  /** Acknowledged by the broker with "no matching subscribers" (MQTT 5): it kept nothing. */
  readonly unheard: number
  /** Answered with a failure code (MQTT 5). */
  readonly refused: number
  readonly inFlight: number
  readonly resent: number
  readonly reconnects: number
  readonly elapsedMs: number
  /** Acknowledged per second since the start. */
  readonly rate: number
}

export type LoadResult = LoadStats & { readonly acknowledgedNumbers: NumberSet; readonly refusedNumbers: NumberSet }

export type Load = {
  /** Resolves when all is acknowledged or refused; rejects when a connection can't go on. */
  readonly done: Promise<LoadResult>
  readonly stats: () => LoadStats
  /** Numbers acknowledged so far; grows as the run goes on. */
  readonly acknowledged: NumberSet
  readonly deviceOf: (number: number) => string
  /** Stops sending, waits up to `waitMs` for what is in flight, disconnects. */
  readonly stop: (waitMs?: number) => Promise<LoadResult>
}

const TICK_MS = 5
const STOP_WAIT_MS = 10_000
const NO_MATCHING_SUBSCRIBERS = 0x10
const FAILURE = 0x80

/** Index of the device of message `number`. */
export const deviceIndexOf = (number: number, connections: number, devices: number): number => {
  const connection = number % connections
  const own = Math.floor((devices - connection - 1) / connections) + 1
  return connection + (Math.floor(number / connections) % own) * connections
}

class Tally {
  readonly acknowledged: NumberSet
  readonly refused = new NumberSet()
  unheard = 0

  constructor(expected: number) {
    this.acknowledged = new NumberSet(Number.isFinite(expected) ? expected : undefined)
  }

  readonly onAck = (number: number, reason: number): void => {
    if (reason >= FAILURE) this.refused.add(number)
    else this.acknowledged.add(number)
    if (reason === NO_MATCHING_SUBSCRIBERS) this.unheard++
  }
}

const connectionsOf = (options: LoadOptions, tally: Tally): LoadConnection[] => {
  const { logins, devices, topicOf, payload, count = Infinity } = options
  const topics = devices.map((device) => encodeTopic(topicOf(device)))
  return logins.map((login, connection) => {
    const numberAt = (index: number): number | undefined => {
      const number = connection + index * logins.length
      return number < count ? number : undefined
    }
    return new LoadConnection({
      host: options.host ?? '127.0.0.1',
      port: options.port,
      version: options.version ?? 5,
      login,
      window: options.window ?? 500,
      reconnect: options.reconnect ?? false,
      numberAt,
      topicOf: (number) => topics[deviceIndexOf(number, logins.length, topics.length)] as Buffer,
      payloadOf: payload,
      onAck: tally.onAck,
    })
  })
}

const sum = (connections: readonly LoadConnection[], field: keyof LoadConnection['counts']): number =>
  connections.reduce((total, { counts }) => total + counts[field], 0)

/** Grants each connection its share of `rate` every few ms; after a stall at most one second's worth is caught up at once. */
const pace = (connections: readonly LoadConnection[], rate: number): Disposable => {
  if (rate === 0) {
    for (const connection of connections) connection.grant(Infinity, Infinity)
    return { [Symbol.dispose]: () => undefined }
  }
  const share = rate / connections.length
  connections.forEach((connection, i) => {
    connection.grant(i / connections.length, 1)
  })
  let lastMs = performance.now()
  const timer = setInterval(() => {
    const nowMs = performance.now()
    const messages = (share * (nowMs - lastMs)) / 1_000
    lastMs = nowMs
    for (const connection of connections) connection.grant(messages, Math.max(share, 1))
  }, TICK_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** A run under way: its numbers, and its end. */
class Run {
  readonly #tally: Tally
  readonly #connections: readonly LoadConnection[]
  readonly #pacer: Disposable
  readonly #startMs = performance.now()
  #endMs: number | undefined

  constructor(tally: Tally, connections: readonly LoadConnection[], rate: number) {
    this.#tally = tally
    this.#connections = connections
    this.#pacer = pace(connections, rate)
  }

  stats(): LoadStats {
    const elapsedMs = (this.#endMs ?? performance.now()) - this.#startMs
    const { acknowledged, refused, unheard } = this.#tally
    return {
      sent: sum(this.#connections, 'sent'),
      acknowledged: acknowledged.size,
      unheard,
      refused: refused.size,
      inFlight: sum(this.#connections, 'inFlight'),
      resent: sum(this.#connections, 'resent'),
      reconnects: sum(this.#connections, 'reconnects'),
      elapsedMs,
      rate: (acknowledged.size / elapsedMs) * 1_000,
    }
  }

  async done(): Promise<LoadResult> {
    try {
      await Promise.all(this.#connections.map(({ done }) => done))
    } finally {
      this.end()
    }
    return { ...this.stats(), acknowledgedNumbers: this.#tally.acknowledged, refusedNumbers: this.#tally.refused }
  }

  finish(): void {
    for (const connection of this.#connections) connection.finish()
  }

  end(): void {
    this.#endMs ??= performance.now()
    this.#pacer[Symbol.dispose]()
    for (const connection of this.#connections) connection.close()
  }
}

/** Resolves once every connection is logged in and sending has begun. */
export const startLoad = async (options: LoadOptions): Promise<Load> => {
  const { logins, devices, rate = 0, count = Infinity } = options
  if (logins.length === 0 || devices.length < logins.length) {
    throw new Error(`${devices.length} devices can't be spread over ${logins.length} connections`)
  }
  const tally = new Tally(count)
  const connections = connectionsOf(options, tally)
  try {
    await Promise.all(connections.map((connection) => connection.start()))
  } catch (error) {
    for (const connection of connections) connection.close()
    throw error
  }
  const run = new Run(tally, connections, rate)
  const done = run.done()
  // Whoever started the run may come to await `done` only later.
  done.catch(() => undefined)
  return {
    done,
    stats: () => run.stats(),
    acknowledged: tally.acknowledged,
    deviceOf: (number) => devices[deviceIndexOf(number, logins.length, devices.length)] as string,
    stop: (waitMs = STOP_WAIT_MS) => {
      run.finish()
      const timer = setTimeout(() => run.end(), waitMs)
      return done.finally(() => clearTimeout(timer))
    },
  }
}
