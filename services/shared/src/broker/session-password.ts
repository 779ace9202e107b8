import { createHmac } from 'node:crypto'

/** MQTT password of one of our own sessions, derived from the platform key, so it is stored nowhere but in the broker. */
export const sessionPassword = (platformKey: Uint8Array, username: string): string =>
  createHmac('sha256', platformKey).update(`mqtt:${username}`).digest('base64url')
