import mqtt, { type IClientOptions, type MqttClient, type OnMessageCallback } from 'mqtt'

export type MqttSession = AsyncDisposable & { readonly client: MqttClient }

export type MqttOptions = IClientOptions & {
  /** Hears messages from the first one on: what a resumed session has missed comes right behind CONNACK. */
  readonly onMessage?: OnMessageCallback
}

/** An MQTT 5 client that does not reconnect. @throws what the broker refuses the connection with. */
export const connectMqtt = async (
  login: { readonly url: string; readonly username: string; readonly password: string },
  { onMessage, ...options }: MqttOptions = {},
): Promise<MqttSession> => {
  const { url, username, password } = login
  const defaults = { protocolVersion: 5, clientId: username, reconnectPeriod: 0, connectTimeout: 5_000 } as const
  const client = mqtt.connect(url, { ...defaults, username, password, ...options })
  if (onMessage) client.on('message', onMessage)
  client.on('error', () => undefined)
  await connected(client)
  return { client, [Symbol.asyncDispose]: () => client.endAsync(true) }
}

const connected = (client: MqttClient): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  client.once('connect', () => resolve())
  client.once('error', reject)
  client.once('close', () => reject(new Error('the broker closed the connection before it let us in')))
  return promise.catch((error) => {
    client.end(true)
    throw error
  })
}
