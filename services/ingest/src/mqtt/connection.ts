/**
 * One MQTT 5 connection to the broker, for a persistent session that takes messages at QoS 1. It is made for a single
 * purpose: PUBLISH frames go to `onPublish` as they are read, and PUBACKs are written when the owner says so, many at once.
 */
import type { Socket } from 'node:net'
import { generate, type IConnackPacket, type IDisconnectPacket, type Packet } from 'mqtt-packet'
import type { Frame } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import type { Pacer } from './pacer.ts'
import { ProtocolFault, REASON, reasonText } from './protocol.ts'
import { openSocket } from './socket.ts'

export type ConnectionOptions = {
  readonly url: URL
  /** Client id and user name, which the broker demands to be equal. */
  readonly user: string
  readonly password: string
  readonly receiveMaximum: number
  readonly keepAliveSeconds: number
  readonly sessionExpirySeconds: number
  readonly pacer: Pacer
  /** Told before the messages of each read. */
  readonly onRead: () => void
  /** The frame is valid only during the call. */
  readonly onPublish: (frame: Frame) => void
  /** Whether more may be read now; asked after each read. */
  readonly mayRead: () => boolean
}

/** Why a connection ended. */
export type Closed = { readonly takenOver: boolean; readonly text: string }

const CONNECT_TIMEOUT_MS = 10_000
const ANSWER_TIMEOUT_MS = 10_000
const END_TIMEOUT_MS = 1_000
const V5 = { protocolVersion: 5 } as const

type Waiting = { readonly resolve: (codes: number[]) => void; readonly reject: (error: Error) => void }

export class Connection {
  /** Resolves, never rejects, when the connection is over. */
  readonly closed: Promise<Closed>
  sessionPresent = false
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  readonly #reader: FrameReader
  readonly #waiting = new Map<number, Waiting>()
  readonly #connack = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<Closed>()
  #why: Closed | undefined
  #packetId = 0
  #lastReadMs = 0
  #isPaused = false
  #isEnding = false
  #ping: NodeJS.Timeout | undefined

  /** Connects; the promise rejects with the reason when the broker is away or refuses. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(options)
    const timer = setTimeout(() => connection.destroy('no CONNACK in time'), CONNECT_TIMEOUT_MS)
    try {
      await connection.#connack.promise
      return connection
    } finally {
      clearTimeout(timer)
    }
  }

  private constructor(options: ConnectionOptions) {
    this.#options = options
    this.closed = this.#closed.promise
    this.#reader = new FrameReader({
      onPublish: options.onPublish,
      onPacket: (packet) => this.#onPacket(packet),
    })
    const { socket, connected } = openSocket(options.url, { onRead: (length) => this.#onRead(length) })
    this.#socket = socket
    socket.once(connected, () => this.#connect())
    socket.once('error', (error) => this.destroy(error.message))
    socket.once('close', () => this.#onClose())
  }

  /** Subscribes at QoS 1, without the broker's retained messages; a reason code for each filter. */
  subscribe(filters: readonly string[]): Promise<number[]> {
    const subscriptions = filters.map((topic) => ({ topic, qos: 1 as const, nl: false, rap: false, rh: 2 }))
    return this.#ask((messageId) => ({ cmd: 'subscribe', messageId, subscriptions }))
  }

  unsubscribe(filters: readonly string[]): Promise<number[]> {
    return this.#ask((messageId) => ({ cmd: 'unsubscribe', messageId, unsubscriptions: [...filters] }))
  }

  /** Publishes at QoS 1; resolves with the broker's reason code. */
  async publish(topic: string, payload: string): Promise<number> {
    const [code = 0] = await this.#ask((messageId) => ({
      ...{ cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false, messageId },
    }))
    return code
  }

  /** Publishes at QoS 0: tells and forgets. */
  tell(topic: string, payload: string): void {
    this.#send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false })
  }

  /** Writes PUBACKs made by the ack window. */
  acknowledge(acks: Buffer): void {
    if (acks.length > 0 && !this.#socket.destroyed) this.#socket.write(acks)
  }

  /** Stops reading for good, to end in peace. */
  stopReading(): void {
    this.#isPaused = true
    this.#options.pacer.remove(this)
    this.#socket.pause()
  }

  /** Called by the pacer: reads on if the owner can take more. */
  tryRead(): boolean {
    if (this.#isPaused || this.#socket.destroyed) return true
    if (!this.#options.mayRead()) return false
    this.#socket.resume()
    return true
  }

  /** Says goodbye and closes. `sessionExpirySeconds` 0 ends the session at the broker; left out, it stays. */
  async end(sessionExpirySeconds?: number): Promise<void> {
    const properties = sessionExpirySeconds === undefined ? {} : { sessionExpiryInterval: sessionExpirySeconds }
    this.#why ??= { takenOver: false, text: 'ended by us' }
    this.#send({ cmd: 'disconnect', reasonCode: REASON.normal, properties } as IDisconnectPacket)
    this.#isEnding = true
    this.#socket.end()
    this.#socket.resume()
    const timer = setTimeout(() => this.#socket.destroy(), END_TIMEOUT_MS)
    await this.closed
    clearTimeout(timer)
  }

  destroy(text: string): void {
    this.#why ??= { takenOver: false, text }
    this.#socket.destroy()
  }

  #connect(): void {
    const { user, password, receiveMaximum, keepAliveSeconds, sessionExpirySeconds } = this.#options
    this.#send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 5,
      clientId: user,
      username: user,
      password: Buffer.from(password),
      clean: false,
      keepalive: keepAliveSeconds,
      properties: { sessionExpiryInterval: sessionExpirySeconds, receiveMaximum, requestProblemInformation: true },
    })
    this.#ping = setInterval(() => this.#keepAlive(), (keepAliveSeconds * 1000) / 2)
  }

  /** The broker must hear from us also while we do not read; only while we read can we miss its answer. */
  #keepAlive(): void {
    const silentMs = performance.now() - this.#lastReadMs
    const isDead = this.#lastReadMs > 0 && silentMs > this.#options.keepAliveSeconds * 1500 && this.#options.mayRead()
    if (isDead) this.destroy('the broker does not answer')
    else this.#send({ cmd: 'pingreq' })
  }

  #onRead(length: number): boolean {
    if (this.#isEnding) return true
    const nowMs = performance.now()
    const isBusy = nowMs - this.#lastReadMs < this.#options.pacer.pauseMs * 2
    this.#lastReadMs = nowMs
    this.#options.onRead()
    try {
      this.#reader.take(length)
    } catch (error) {
      if (!(error instanceof ProtocolFault)) throw error
      this.#send({ cmd: 'disconnect', reasonCode: REASON.malformedPacket } as IDisconnectPacket)
      this.destroy(error.message)
      return false
    }
    if (this.#isPaused) return false
    if (!isBusy && this.#options.mayRead()) return true
    this.#options.pacer.add(this)
    return false
  }

  #onPacket(packet: Packet): void {
    if (packet.cmd === 'connack') this.#onConnack(packet)
    else if (packet.cmd === 'suback') this.#answer(packet.messageId, packet.granted as number[])
    else if (packet.cmd === 'unsuback') this.#answer(packet.messageId, packet.granted ?? [])
    else if (packet.cmd === 'puback') this.#answer(packet.messageId, [packet.reasonCode ?? 0])
    else if (packet.cmd === 'disconnect') this.#onDisconnect(packet)
  }

  #onDisconnect({ reasonCode = REASON.normal }: IDisconnectPacket): void {
    this.#why ??= { takenOver: reasonCode === REASON.sessionTakenOver, text: reasonText(reasonCode) }
    this.#socket.end()
  }

  #onConnack({ reasonCode = 0, sessionPresent }: IConnackPacket): void {
    if (reasonCode !== 0) this.destroy(`refused by the broker: ${reasonText(reasonCode)}`)
    this.sessionPresent = sessionPresent
    if (reasonCode === 0) this.#connack.resolve()
  }

  #onClose(): void {
    clearInterval(this.#ping)
    this.#options.pacer.remove(this)
    const why = this.#why ?? { takenOver: false, text: 'connection closed by the broker' }
    const error = new Error(why.text)
    this.#connack.reject(error)
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    this.#closed.resolve(why)
  }

  #answer(messageId: number | undefined, codes: number[]): void {
    if (messageId === undefined) return
    this.#waiting.get(messageId)?.resolve(codes)
    this.#waiting.delete(messageId)
  }

  async #ask(make: (messageId: number) => Packet): Promise<number[]> {
    this.#packetId = (this.#packetId % 0xffff) + 1
    const messageId = this.#packetId
    const { promise, resolve, reject } = Promise.withResolvers<number[]>()
    if (this.#socket.destroyed) throw new Error('the connection to the broker is closed')
    this.#waiting.set(messageId, { resolve, reject })
    const timer = setTimeout(() => reject(new Error('the broker does not answer')), ANSWER_TIMEOUT_MS)
    this.#send(make(messageId))
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(messageId)
    }
  }

  #send(packet: Packet): void {
    if (!this.#socket.destroyed) this.#socket.write(generate(packet, V5))
  }
}
