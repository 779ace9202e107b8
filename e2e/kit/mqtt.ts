import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'

export type MqttSession = AsyncDisposable & { readonly client: MqttClient }

/** An MQTT 5 client that does not reconnect. @throws what the broker refuses the connection with. */
export const connectMqtt = async (
  login: { readonly url: string; readonly username: string; readonly password: string },
  options: IClientOptions = {},
): Promise<MqttSession> => {
  const { url, username, password } = login
  const defaults = { protocolVersion: 5, clientId: username, reconnectPeriod: 0, connectTimeout: 5_000 } as const
  const client = await mqtt.connectAsync(url, { ...defaults, username, password, ...options }, false)
  client.on('error', () => undefined)
  return { client, [Symbol.asyncDispose]: () => client.endAsync(true) }
}
