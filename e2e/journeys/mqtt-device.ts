/** MQTT clients as devices are: one connection, no reconnects, everything observable. */
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'

export type DeviceClient = AsyncDisposable & {
  readonly client: MqttClient
  /** Resolves when the connection is gone, with the reason of the broker's DISCONNECT (MQTT 5) if it sent one. */
  readonly closed: Promise<number | undefined>
}

type Credentials = { readonly url: string; readonly username: string; readonly password?: string }

/** @throws what the broker refuses the connection with. */
export const connectDevice = async (
  { url, username, password }: Credentials,
  options: IClientOptions = {},
): Promise<DeviceClient> => {
  const client = await mqtt.connectAsync(
    url,
    {
      protocolVersion: 5,
      clientId: username,
      username,
      ...(password !== undefined && { password }),
      reconnectPeriod: 0,
      connectTimeout: 5_000,
      ...options,
    },
    false,
  )
  client.on('error', () => undefined)
  let reason: number | undefined
  client.on('disconnect', ({ reasonCode }) => {
    reason = reasonCode
  })
  const closed = new Promise<number | undefined>((resolve) => client.once('close', () => resolve(reason)))
  return { client, closed, [Symbol.asyncDispose]: () => client.endAsync(true) }
}

/** Publishes at QoS 1; the reason code of the PUBACK, 0 when it says nothing of a fault. */
export const publishCode = (client: MqttClient, topic: string, payload = '{}'): Promise<number> =>
  new Promise((resolve, reject) => {
    client.publish(topic, payload, { qos: 1 }, (error, packet) => {
      const code =
        (error as { code?: number } | undefined)?.code ?? (packet as { reasonCode?: number } | undefined)?.reasonCode
      if (code !== undefined || error === undefined || error === null) resolve(code ?? 0)
      else reject(error)
    })
  })

/** Reason code of the SUBACK for one filter: the QoS granted, or 128 and above for a refusal. */
export const subscribeCode = (client: MqttClient, filter: string): Promise<number> =>
  new Promise((resolve, reject) => {
    client.subscribe(filter, { qos: 1 }, (error, granted, packet) => {
      const code = packet?.granted?.[0] ?? granted?.[0]?.qos
      if (code !== undefined) resolve(Number(code))
      else reject(error ?? new Error(`no SUBACK for ${filter}`))
    })
  })
