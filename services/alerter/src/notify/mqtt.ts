/**
 * Publishes notifications on the broker. The alerter has one MQTT user, and a broker lets a user have one session: so one replica
 * publishes for all partitions, from a consumer of its own, and a broker that is away holds up nobody but its own subscribers. Each is
 * published with QoS 1 in the order of its alert and settled by the broker's PUBACK; what was under way when a connection broke is
 * sent again. A topic that the broker refuses is tried a few times, as the right to it may be on its way.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { backoffMs } from '@fleetloom/shared/backoff'
import { messageOf } from '@fleetloom/shared/process/logger'
import mqtt, { type MqttClient } from 'mqtt'
import type { Item, Outlet } from '../outbox/worker.ts'
import { messageOfTransition } from './message.ts'
import { isNotified } from './notify.ts'
import type { NotifyParts } from './parts.ts'
import { toldOf } from './told.ts'
import { giveUp, suppress } from './unheard.ts'

export type MqttSettings = { readonly url: string; readonly username: string; readonly password: string }

const ATTEMPTS = 5
const FIRST_PAUSE_MS = 500

/** The topic of a receiver for one device. */
export const topicOf = (pattern: string, device: string): string => pattern.replaceAll('{device}', device)

export class MqttOutlet implements Outlet {
  readonly #parts: NotifyParts
  readonly #settings: MqttSettings
  readonly #stop = new AbortController()
  /** The last publish of each alert. */
  readonly #lanes = new Map<string, Promise<void>>()

  #client: MqttClient | undefined
  #fault = ''

  constructor(parts: NotifyParts, settings: MqttSettings) {
    this.#parts = parts
    this.#settings = settings
  }

  async take({ transition: found, done }: Item): Promise<void> {
    if (!isNotified(found)) return done()
    const transition = await toldOf(this.#parts, found)
    const topics = topicsOf(transition)
    if (topics.length === 0) return done()
    const silence = await this.#parts.silences.of(transition)
    if (silence) {
      for (const receiver of topics)
        await suppress(this.#parts, transition, { kind: 'mqtt', receiver, silence: silence.id })
      return done()
    }
    this.#follow(transition, async () => {
      for (const topic of topics) await this.#publish(transition, topic)
      done()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#client?.endAsync(true)
    await Promise.all(this.#lanes.values())
  }

  /** Connects for the first message, and from then on again and again; each new fault is said once. */
  #connected(): MqttClient {
    if (this.#client) return this.#client
    const { url, username, password } = this.#settings
    const options = { protocolVersion: 5, clientId: username, username, password, reconnectPeriod: 1_000 } as const
    this.#client = mqtt.connect(url, { ...options, reconnectOnConnackError: true, connectTimeout: 10_000 })
    this.#client.on('connect', () => {
      this.#fault = ''
    })
    this.#client.on('error', (error) => {
      const fault = messageOf(error)
      this.#parts.log[fault === this.#fault ? 'debug' : 'warn'](`the broker at ${url}: ${fault}`)
      this.#fault = fault
    })
    return this.#client
  }

  /** Runs `work` after the earlier one of the same alert. What is stopped is not done, and comes again. */
  #follow({ ruleUid, device }: Transition, work: () => Promise<void>): void {
    const key = `${ruleUid}\n${device}`
    const before = this.#lanes.get(key) ?? Promise.resolve()
    const lane = before.then(work).catch((error) => {
      if (!this.#stop.signal.aborted) this.#parts.log.error(`a notification waits: ${messageOf(error)}`)
    })
    this.#lanes.set(key, lane)
    void lane.then(() => this.#lanes.get(key) === lane && this.#lanes.delete(key))
  }

  /** Resolves once the broker has it, or the dead letters do. @throws when stopped */
  async #publish(one: Transition, topic: string): Promise<void> {
    const detail = await this.#attempts(one, topic)
    if (detail === undefined) return this.#parts.metrics.notified('mqtt', 'sent')
    await giveUp(this.#parts, one, { kind: 'mqtt', receiver: topic, detail })
  }

  /** Why the broker does not take it; undefined when it did. */
  async #attempts(one: Transition, topic: string): Promise<string | undefined> {
    const { metrics } = this.#parts
    for (let attempt = 1; ; attempt++) {
      this.#stop.signal.throwIfAborted()
      const startMs = performance.now()
      if (attempt > 1) metrics.notified('mqtt', 'retried')
      const refusal = await this.#once(one, topic)
      metrics.attemptTook('mqtt', (performance.now() - startMs) / 1000)
      if (refusal === undefined) return undefined
      metrics.notified('mqtt', 'failed')
      if (attempt === ATTEMPTS) return `${refusal}, after ${attempt} attempts`
      await sleep(backoffMs(attempt, { baseMs: FIRST_PAUSE_MS }), undefined, { signal: this.#stop.signal })
    }
  }

  async #once(one: Transition, topic: string): Promise<string | undefined> {
    const userProperties = { 'Idempotency-Key': one.id }
    const properties = { contentType: 'application/json', userProperties }
    try {
      await this.#connected().publishAsync(topic, messageOfTransition(one), { qos: 1, retain: false, properties })
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }
}

const topicsOf = ({ notify, device }: Transition): string[] =>
  notify.flatMap((receiver) => (receiver.kind === 'mqtt' ? [topicOf(receiver.topic, device)] : []))
