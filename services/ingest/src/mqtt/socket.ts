import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { readBuffer } from './read-buffer.ts'

export type SocketHandlers = {
  /** So many bytes lie in the read buffer's region; false stops reading until `socket.resume()`. */
  readonly onRead: (length: number) => boolean
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883 }

/** TLS decrypts into buffers of its own, so here each chunk is copied. */
const openTls = (host: string, port: number, { onRead }: SocketHandlers): Socket => {
  const socket = connectTls({ host, port, servername: host })
  socket.on('data', (chunk: Buffer) => {
    const { region } = readBuffer
    for (let at = 0; at < chunk.length; at += region.length) {
      const part = chunk.subarray(at, at + region.length)
      region.set(part)
      if (!onRead(part.length)) socket.pause()
    }
  })
  return socket
}

/** Resolves when the broker takes a connection. */
export const reachBroker = async (url: URL): Promise<void> => {
  const { socket, connected } = openSocket(url, { onRead: () => true })
  try {
    await once(socket, connected)
  } finally {
    socket.destroy()
  }
}

/** A socket to the broker whose bytes land in the shared read buffer. `connect` or `secureConnect` tells that it stands. */
export const openSocket = (url: URL, handlers: SocketHandlers): { socket: Socket; connected: string } => {
  const port = Number(url.port || DEFAULT_PORTS[url.protocol])
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (url.protocol === 'mqtts:') return { socket: openTls(host, port, handlers), connected: 'secureConnect' }
  const onread = { buffer: readBuffer.region, callback: (length: number) => handlers.onRead(length) }
  return { socket: connectTcp({ host, port, noDelay: true, onread }), connected: 'connect' }
}
