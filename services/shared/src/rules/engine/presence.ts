/** Who is online: heard within `offlineAfterMs`, on the clock of the marks. */
import type { Shard } from './shard.ts'

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
