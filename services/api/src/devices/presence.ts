/**
 * Who is online, and when each device was last heard of: asked of the alerters, who judge it, one question for all devices of a
 * page. What they do not say in time is left out, with the reason: a device can be shown without it.
 */
import type { Ref } from '@fleetloom/crds/names'
import { MAX_ASKED_DEVICES, type ShardPresence, shardPresence } from '@fleetloom/shared/alerts/ask'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { messageOf } from '@fleetloom/shared/process/logger'
import type { NatsConnection } from '@nats-io/nats-core'
import { askShards } from '../ask-shards.ts'
import type { Fleets } from '../fleets.ts'

export type DevicePresence = {
  readonly online?: boolean
  /** RFC 3339; absent for a device that was never heard of. */
  readonly lastSeen?: string
}

export type Presence = {
  readonly of: (device: string) => DevicePresence
  /** Why it is not known of all devices asked for. */
  readonly unavailable?: string
}

/** Tells the presence of some devices of a fleet, at most MAX_ASKED_DEVICES. Never rejects. */
export type AskPresence = (fleet: Ref, devices: readonly string[]) => Promise<Presence>

export type PresenceParts = {
  readonly connection: NatsConnection
  readonly fleets: Pick<Fleets, 'find'>
  readonly deadlineMs?: number
}

const DEADLINE_MS = 500

const unknown = (unavailable: string): Presence => ({ of: () => ({}), unavailable })

const shardsOf = (devices: readonly string[], shards: number): number[] =>
  [...new Set(devices.map((device) => shardOf(device, shards)))].sort((a, b) => a - b)

/** A device may be named as a method of objects is. */
const own = <T>(record: Readonly<Record<string, T>> | undefined, device: string): T | undefined =>
  record && Object.hasOwn(record, device) ? record[device] : undefined

/** What the answers of some shards say of these devices. */
export const presenceFrom = (
  answers: ReadonlyMap<number, Pick<ShardPresence, 'lastSeenMs' | 'onlineDevices'>>,
  shards: number,
  devices: readonly string[],
): Presence => {
  const of = (device: string): DevicePresence => {
    const answer = answers.get(shardOf(device, shards))
    const online = own(answer?.onlineDevices, device)
    const seenMs = own(answer?.lastSeenMs, device)
    return {
      ...(online !== undefined && { online }),
      ...(seenMs !== undefined && { lastSeen: new Date(seenMs).toISOString() }),
    }
  }
  const silent = shardsOf(devices, shards).filter((shard) => !answers.has(shard))
  if (silent.length === 0) return { of }
  return { of, unavailable: `no alerter answered in time for shard ${silent.join(', ')}` }
}

const ask = async (
  { connection, deadlineMs = DEADLINE_MS }: PresenceParts,
  document: FleetDocument,
  devices: readonly string[],
): Promise<Presence> => {
  const request = { kind: 'presence', devices: devices.slice(0, MAX_ASKED_DEVICES) }
  const shards = document.stream.telemetrySubjects.length
  const question = { request, answer: shardPresence, deadlineMs, shards: shardsOf(devices, shards) }
  return presenceFrom(await askShards(connection, document, question), shards, devices)
}

export const presenceAsker =
  (parts: PresenceParts): AskPresence =>
  async (fleet, devices) => {
    if (devices.length === 0) return { of: () => ({}) }
    try {
      const document = await parts.fleets.find(fleet)
      return document ? await ask(parts, document, devices) : unknown('the fleet is not set up')
    } catch (error) {
      return unknown(messageOf(error))
    }
  }
