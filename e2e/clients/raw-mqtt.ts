/** MQTT as it goes over the wire, for tests that look at what a broker answers: packets out, packets in, nothing hidden. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import mqtt, { type Packet } from 'mqtt-packet'

export type RawLogin = {
  readonly port: number
  readonly version: 4 | 5
  readonly clientId: string
  readonly username: string
  readonly password: string
}

export type RawSession = AsyncDisposable & {
  /** Sends a packet, or its first `bytes`. */
  readonly send: (packet: Packet, bytes?: number) => void
  /** Packets received so far, the oldest first; read packets are taken out. */
  readonly received: Packet[]
  readonly isClosed: () => boolean
}

/** Opens a connection and sends CONNECT; the answer is the first packet received. */
export const openRaw = async ({ port, version, clientId, username, password }: RawLogin): Promise<RawSession> => {
  const socket = connect({ host: '127.0.0.1', port })
  await once(socket, 'connect')
  const received: Packet[] = []
  let closed = false
  const parser = mqtt.parser({ protocolVersion: version })
  parser.on('packet', (packet) => received.push(packet))
  socket.on('data', (data) => void parser.parse(data))
  socket.on('error', () => undefined)
  socket.on('close', () => {
    closed = true
  })
  const send = (packet: Packet, bytes?: number): void =>
    void socket.write(mqtt.generate(packet, { protocolVersion: version }).subarray(0, bytes))
  send({
    cmd: 'connect',
    protocolVersion: version,
    clientId,
    username,
    password: Buffer.from(password),
    clean: true,
    keepalive: 60,
  })
  return {
    send,
    received,
    isClosed: () => closed,
    [Symbol.asyncDispose]: async () => {
      socket.destroy()
      while (!closed) await sleep(5)
    },
  }
}

/** The last packet that says yes or no, by name, and its code; undefined when there is none but a CONNACK that says yes. */
export const answerOf = ({ received }: RawSession): { packet: string; code: number } | undefined => {
  const packet = received.at(-1)
  if (packet === undefined) return undefined
  const { cmd, granted, reasonCode, returnCode } = packet as { cmd: string } & Answer
  const code = granted?.[0] ?? reasonCode ?? returnCode ?? 0
  return cmd === 'connack' && code === 0 ? undefined : { packet: cmd.toUpperCase(), code }
}

type Answer = { granted?: number[]; reasonCode?: number; returnCode?: number }
