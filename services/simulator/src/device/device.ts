/**
 * One simulated device: connects with its secret, publishes what is put into its outbox at QoS 1 in order, one message at a time,
 * and reads its errors topic.
 *
 * What it can't publish it keeps: while the broker is away, and while the broker refuses its topic (it may be that the
 * fleet is not ready yet). When the broker does not let it in it asks for another secret.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import type { Message } from '../shows.ts'
import type { Outbox } from './outbox.ts'

export type DeviceEvent = 'acknowledged' | 'refused' | 'error' | 'connected' | 'disconnected'

export type DeviceOptions = {
  readonly mqttUrl: string
  readonly username: string
  readonly errorsTopic: string
  readonly outbox: Outbox<Message>
  /** The secret to log in with; `refused` is the one that did not do. */
  readonly secret: (refused?: string) => Promise<string>
  readonly onEvent: (event: DeviceEvent) => void
  readonly log: Logger
}

const NOT_LET_IN = [134, 135]
const FIRST_FAILURE = 128
const RETRY_MS = 1_000
const LOG_IN_AGAIN_MS = 5_000
const FLUSH_MS = 3_000

const codeOf = (error: unknown): number => (error as { code?: unknown }).code as number

export class Device implements AsyncDisposable {
  readonly #options: DeviceOptions
  readonly #stopping = new AbortController()
  #client: MqttClient | undefined
  #publishing: Promise<void> | undefined
  #mayPublish = true

  constructor(options: DeviceOptions) {
    this.#options = options
  }

  /** Runs until disposed. Rejects when no secret is to be had. */
  async run(): Promise<void> {
    let refused: string | undefined
    while (!this.#stopping.signal.aborted) {
      const secret = await this.#options.secret(refused)
      const outcome = await this.#session(secret)
      if (outcome === 'stopped') return
      this.#options.log.warn({ device: this.#options.username }, 'the broker did not let the device in')
      refused = secret
      await sleep(LOG_IN_AGAIN_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
    }
  }

  publish(message: Message): void {
    this.#options.outbox.put(message)
    this.#flush()
  }

  /** Publishes what it has if the broker answers, then disconnects. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#client?.connected) await Promise.race([this.#publishing, sleep(FLUSH_MS)])
    this.#stopping.abort()
    await this.#client?.endAsync(!this.#client.connected)
  }

  async #session(password: string): Promise<'refused' | 'stopped'> {
    const { mqttUrl, username, onEvent, log } = this.#options
    const { promise, resolve } = Promise.withResolvers<'refused' | 'stopped'>()
    const options: IClientOptions = { username, password, clientId: username, protocolVersion: 5, keepalive: 30 }
    const client = mqtt.connect(mqttUrl, { ...options, reconnectPeriod: RETRY_MS, connectTimeout: 10_000 })
    this.#client = client
    let connected = false
    client.on('connect', () => {
      connected = true
      onEvent('connected')
      this.#listen(client)
      this.#flush()
    })
    client.on('close', () => {
      if (connected) onEvent('disconnected')
      connected = false
    })
    client.on('message', (_, payload) => {
      onEvent('error')
      log.warn({ device: username, rejection: payload.toString() }, 'a message was rejected')
    })
    client.on('error', (error) =>
      NOT_LET_IN.includes(codeOf(error)) ? resolve('refused') : log.debug(messageOf(error)),
    )
    this.#stopping.signal.addEventListener('abort', () => resolve('stopped'), { once: true })
    const outcome = await promise
    if (outcome === 'refused') await client.endAsync(true)
    return outcome
  }

  #listen(client: MqttClient): void {
    client.subscribe(this.#options.errorsTopic, { qos: 0 }, (error) => {
      if (error) this.#options.log.debug(`errors topic: ${error.message}`)
    })
  }

  #flush(): void {
    this.#publishing ??= this.#publishAll().finally(() => {
      this.#publishing = undefined
    })
  }

  async #publishAll(): Promise<void> {
    const { outbox, onEvent } = this.#options
    for (let message = outbox.peek(); message && this.#client?.connected; message = outbox.peek()) {
      const outcome = await this.#publishOne(this.#client, message)
      if (outcome === 'lost') return
      onEvent(outcome)
      if (outcome === 'acknowledged') outbox.settle(message)
      else await sleep(RETRY_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
      if (this.#stopping.signal.aborted) return
    }
  }

  /** `refused` by the broker, or `lost` with the connection. */
  async #publishOne(client: MqttClient, { topic, payload }: Message): Promise<'acknowledged' | 'refused' | 'lost'> {
    try {
      await client.publishAsync(topic, payload, { qos: 1 })
      this.#mayPublish = true
      return 'acknowledged'
    } catch (error) {
      if (!(codeOf(error) >= FIRST_FAILURE)) return 'lost'
      if (this.#mayPublish) {
        const { username, log } = this.#options
        log.info({ device: username, topic }, `may not publish yet, will try again: ${messageOf(error)}`)
      }
      this.#mayPublish = false
      return 'refused'
    }
  }
}
