/** A TCP proxy on loopback that can be cut, or frozen as by a network that drops every packet. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type TcpProxy = AsyncDisposable & {
  readonly port: number
  /** Ends all connections; new ones are refused until `heal`. */
  cut(): void
  /** Lets nothing through any more, and nobody is told; new connections open and stay silent. */
  freeze(): void
  /** Lets everything through again; what was frozen goes on where it stood. */
  heal(): void
}

export const startProxy = async (targetPort: number): Promise<TcpProxy> => {
  /** Each socket with the one that it is joined to. */
  const peers = new Map<Socket, Socket>()
  let state: 'open' | 'cut' | 'frozen' = 'open'
  const join = (from: Socket, to: Socket): void => {
    peers.set(from, to)
    from.on('error', () => undefined)
    from.on('close', () => {
      peers.delete(from)
      to.destroy()
    })
    if (state === 'open') from.pipe(to)
  }
  const server = createServer((client) => {
    if (state === 'cut') return void client.resetAndDestroy()
    const target = connect(targetPort, '127.0.0.1')
    join(client, target)
    join(target, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      state = 'cut'
      for (const socket of peers.keys()) socket.resetAndDestroy()
    },
    freeze: () => {
      state = 'frozen'
      for (const [from, to] of peers) from.unpipe(to).pause()
    },
    heal: () => {
      if (state === 'frozen') for (const [from, to] of peers) from.pipe(to)
      state = 'open'
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of peers.keys()) socket.destroy()
      server.close()
    },
  }
}
