/**
 * The control channel of Mosquitto's dynamic security plugin: commands as JSON on `$CONTROL/dynamic-security/v1`, replies on
 * `…/response`.
 *
 * The plugin carries out one message's commands in one go, in order, with one reply each, and publishes the replies to
 * every administrator who listens. So a batch carries a correlation of its own by which its replies are known, batches
 * are sent one at a time, and other administrators' replies are passed over. Commands go out at QoS 0 and are never
 * queued: one that was sent again after a reconnect could undo what has been done since.
 */
import { randomUUID } from 'node:crypto'
import { connect, type IClientPublishOptions, type MqttClient } from 'mqtt'
import { z } from 'zod'
import { type Logger, messageOf } from '../../process/logger.ts'
import { BrokerUnavailable } from '../broker.ts'

export type Command = { readonly command: string; readonly [argument: string]: unknown }

const reply = z.object({
  command: z.string(),
  error: z.string().optional(),
  correlationData: z.string().optional(),
  data: z.unknown().optional(),
})

export type Reply = z.infer<typeof reply>

const response = z.object({ responses: z.array(reply) })

/** The connection was lost before the answer: what was asked may or may not have been done. */
export class ConnectionLost extends BrokerUnavailable {
  override name = 'ConnectionLost'
}

export type ControlSettings = {
  /** mqtt:// or mqtts:// */
  readonly url: string
  readonly username: string
  readonly password: string
  readonly log: Logger
}

const CONTROL_TOPIC = '$CONTROL/dynamic-security/v1'
const RESPONSE_TOPIC = `${CONTROL_TOPIC}/response`
const TIMEOUT_MS = 10_000
/** How long a call waits for a connection that is not there: long enough for a reconnect. */
const CONNECT_WAIT_MS = 3_000
const QOS_0: IClientPublishOptions = { qos: 0 }

type Pending = {
  readonly correlation: string
  readonly resolve: (replies: Reply[]) => void
  readonly reject: (error: Error) => void
}

export class Control implements AsyncDisposable {
  readonly #client: MqttClient
  readonly #url: string
  readonly #log: Logger
  readonly #session = randomUUID()
  readonly #listeners = new Map<string, (payload: string) => void>()
  #batches = 0
  #turn: Promise<unknown> = Promise.resolve()
  #pending: Pending | undefined
  #ready = Promise.withResolvers<void>()
  #isReady = false
  #fault = 'not connected yet'

  /** Starts to connect and keeps at it for ever. */
  constructor({ url, username, password, log }: ControlSettings) {
    this.#url = url
    this.#log = log
    this.#client = connect(url, {
      protocolVersion: 5,
      clientId: username,
      username,
      password,
      clean: true,
      resubscribe: false,
      queueQoSZero: false,
      reconnectPeriod: 1_000,
      connectTimeout: TIMEOUT_MS,
      reconnectOnConnackError: true,
    })
    this.#client.on('connect', () => void this.#connected())
    this.#client.on('message', (topic, payload) => this.#received(topic, payload.toString()))
    this.#client.on('error', (error) =>
      this.#failed(messageOf(error) || (error as NodeJS.ErrnoException).code || 'failed'),
    )
    this.#client.on('disconnect', ({ reasonCode }) => this.#failed(disconnectText(reasonCode)))
    this.#client.on('close', () => this.#closed())
  }

  /** Also listens to a retained status topic; a broker that does not allow it is passed over. */
  listen(topic: string, listener: (payload: string) => void): void {
    this.#listeners.set(topic, listener)
  }

  /**
   * Carries the commands out, in order; one reply each.
   * @throws BrokerUnavailable
   */
  async run(commands: readonly Command[], timeoutMs: number = TIMEOUT_MS): Promise<Reply[]> {
    await this.#within(Math.min(CONNECT_WAIT_MS, timeoutMs), this.#ready.promise)
    const result = this.#turn.then(() => this.#send(commands, timeoutMs))
    this.#turn = result.catch(() => undefined)
    return result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.endAsync(true)
  }

  async #send(commands: readonly Command[], timeoutMs: number): Promise<Reply[]> {
    if (!this.#isReady) throw this.#lost()
    const { promise, resolve, reject } = Promise.withResolvers<Reply[]>()
    const correlation = `${this.#session}:${++this.#batches}`
    this.#pending = { correlation, resolve, reject }
    const payload = JSON.stringify({ commands: commands.map((c) => ({ ...c, correlationData: correlation })) })
    this.#client.publish(CONTROL_TOPIC, payload, QOS_0, (error) => error && reject(this.#lost()))
    try {
      const replies = await this.#within(timeoutMs, promise)
      if (replies.length === commands.length) return replies
      throw new BrokerUnavailable(`broker answered ${replies.length} of ${commands.length} commands`)
    } finally {
      this.#pending = undefined
    }
  }

  /** @throws BrokerUnavailable when `promise` takes longer. */
  async #within<T>(ms: number, promise: Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(this.#unavailable()), ms)
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #lost(): ConnectionLost {
    return new ConnectionLost(`broker ${this.#url}: connection lost before the answer`)
  }

  #unavailable(): BrokerUnavailable {
    const why = this.#isReady ? 'connected, but has the user the role to administer it?' : this.#fault
    return new BrokerUnavailable(`broker ${this.#url} does not answer: ${why}`)
  }

  async #connected(): Promise<void> {
    try {
      await this.#client.subscribeAsync(RESPONSE_TOPIC, { qos: 0 })
    } catch (error) {
      return this.#failed(`may not read its answers (${messageOf(error)}): the user needs the role to administer it`)
    }
    for (const topic of this.#listeners.keys())
      this.#client.subscribe(topic, { qos: 0 }, (error) => error && this.#log.debug({ topic }, 'status not allowed'))
    this.#log.debug({ url: this.#url }, 'connected to the broker')
    this.#fault = ''
    this.#isReady = true
    this.#ready.resolve()
  }

  #failed(fault: string): void {
    if (fault !== this.#fault) this.#log.warn({ url: this.#url }, `broker: ${fault}`)
    this.#fault = fault
  }

  #closed(): void {
    if (this.#isReady) this.#ready = Promise.withResolvers<void>()
    this.#isReady = false
    this.#pending?.reject(this.#lost())
  }

  #received(topic: string, payload: string): void {
    const listener = this.#listeners.get(topic)
    listener?.(payload)
    if (topic !== RESPONSE_TOPIC || this.#pending === undefined) return
    if (!payload.includes(this.#pending.correlation)) return
    const parsed = response.safeParse(JSON.parse(payload))
    if (parsed.success) this.#pending.resolve(parsed.data.responses)
    else
      this.#pending.reject(
        new BrokerUnavailable(`broker answered in an unknown form: ${z.prettifyError(parsed.error)}`),
      )
  }
}

const SESSION_TAKEN_OVER = 0x8e

const disconnectText = (reasonCode: number | undefined): string =>
  reasonCode === SESSION_TAKEN_OVER
    ? 'another process connected with the same user; each replica needs a user of its own'
    : `closed the connection (reason 0x${(reasonCode ?? 0).toString(16)})`
