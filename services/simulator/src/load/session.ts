/** Opening an MQTT session on a plain socket: CONNECT, CONNACK, and from there on the socket is the caller's. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import mqtt, { type IConnackPacket } from 'mqtt-packet'

export type Login = {
  readonly clientId: string
  readonly username?: string | undefined
  readonly password?: string | undefined
}

export type Endpoint = { readonly host: string; readonly port: number; readonly version: 4 | 5 }

export type Session = { readonly socket: Socket; readonly receiveMaximum: number }

/** The broker answered CONNECT with a refusal. */
export class Refused extends Error {
  override name = 'Refused'
  readonly code: number
  constructor(login: Login, code: number) {
    super(`the broker refused ${login.username ?? login.clientId}: reason code ${code}`)
    this.code = code
  }
  /** Server unavailable or busy: worth another try. */
  get transient(): boolean {
    return [3, 0x88, 0x89, 0x97].includes(this.code)
  }
}

const CONNECT_TIMEOUT_MS = 10_000

const connack = async (socket: Socket, version: 4 | 5): Promise<IConnackPacket> => {
  const { promise, resolve, reject } = Promise.withResolvers<IConnackPacket>()
  const parser = mqtt.parser({ protocolVersion: version })
  parser.on('packet', (packet) => {
    if (packet.cmd === 'connack') resolve(packet)
    else reject(new Error(`expected CONNACK, got ${packet.cmd}`))
  })
  parser.on('error', reject)
  const listeners = {
    data: (data: Buffer): unknown => parser.parse(data),
    error: reject,
    close: () => reject(new Error('the broker closed the connection before CONNACK')),
    timeout: () => reject(new Error('no CONNACK in time')),
  }
  for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener)
  socket.setTimeout(CONNECT_TIMEOUT_MS)
  try {
    return await promise
  } finally {
    socket.setTimeout(0)
    for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener)
  }
}

/** @throws Refused, or the socket's error. Keep-alive is off: a broker that does not acknowledge for minutes is what a load run may be about. */
export const openSession = async ({ host, port, version }: Endpoint, login: Login): Promise<Session> => {
  const socket = connect({ host, port, noDelay: true })
  try {
    await once(socket, 'connect')
    const answer = connack(socket, version)
    const { clientId, username, password } = login
    const credentials = username === undefined ? {} : { username, password: Buffer.from(password ?? '') }
    socket.write(
      mqtt.generate({ cmd: 'connect', protocolVersion: version, clientId, clean: true, keepalive: 0, ...credentials }),
    )
    const packet = await answer
    const code = packet.reasonCode ?? packet.returnCode ?? 0
    if (code !== 0) throw new Refused(login, code)
    return { socket, receiveMaximum: packet.properties?.receiveMaximum ?? 65_535 }
  } catch (error) {
    socket.destroy()
    throw error
  }
}
