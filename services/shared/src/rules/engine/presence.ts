/** Who is online: heard within `offlineAfterMs`, on the clock of the marks. */
import type { Shard } from './shard.ts'

/** Types of the events by which changes of presence are told. They come from us, so nobody is heard by them. */
export const PRESENCE_EVENTS = { online: 'device_online', offline: 'device_offline' } as const

export const isPresenceEvent = (type: string): boolean =>
  type === PRESENCE_EVENTS.online || type === PRESENCE_EVENTS.offline

const change = (shard: Shard, device: number, online: boolean, atMs: number): void => {
  const { devices, presence } = shard
  devices.online.set(device, online ? 1 : 0)
  shard.online += online ? 1 : -1
  presence.push({ device: devices.id(device), online, atMs, lastSeenMs: devices.seenMs.get(device) })
}

/** A row or an event of the device was read. */
export const hear = (shard: Shard, device: number, storedMs: number): void => {
  const { devices, clock } = shard
  devices.heard.set(device, clock.hearing(storedMs))
  devices.seenMs.set(device, storedMs)
  if (devices.online.get(device) === 0) change(shard, device, true, storedMs)
}

/** Finds at a mark that a device has gone offline. */
export const judgePresence = (shard: Shard, device: number): void => {
  const { devices, clock, fleet } = shard
  const silence = clock.heard - clock.heardAt(devices.heard.get(device))
  if (devices.online.get(device) === 1 && silence >= fleet.offlineAfterMs) change(shard, device, false, clock.mark ?? 0)
}
