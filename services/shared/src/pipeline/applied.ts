/**
 * Reports what a replica has applied: the first report of a key at once, then at most one every two seconds, if it changed. A
 * bucket that somebody deleted and that was made again is told everything anew.
 */
import type { KV } from '@nats-io/kv'
import { type Logger, messageOf } from '../process/logger.ts'
import type { AppliedDocument } from './applied-document.ts'

export type AppliedState = Pick<
  AppliedDocument,
  'uid' | 'generation' | 'state' | 'observed' | 'devices' | 'rules' | 'alertmanagers'
>

export type AppliedReporter = AsyncDisposable & {
  report(key: string, state: AppliedState): void
  /** Stops reporting a key, leaving what stands to the next owner. */
  clear(key: string): void
}

const INTERVAL_MS = 2_000
/** How often it looks whether the bucket is still the same one. */
const LOOK_MS = 5_000

type Slot = { wanted: AppliedState; written: string; sentAtMs: number; urgent: boolean }

/** What must reach the operator at once; observations can wait. */
const urgentPart = ({ uid, generation, state }: AppliedState): string => `${uid} ${generation} ${state}`

export const createAppliedReporter = (options: {
  readonly kv: KV
  readonly replica: string
  readonly log: Logger
}): AppliedReporter => {
  const slots = new Map<string, Slot>()
  const write = async (key: string, slot: Slot): Promise<void> => {
    const wanted = JSON.stringify(slot.wanted)
    const nowMs = Date.now()
    if (wanted === slot.written || (!slot.urgent && nowMs - slot.sentAtMs < INTERVAL_MS)) return
    slot.urgent = false
    slot.sentAtMs = nowMs
    const document = { version: '1.0', replica: options.replica, ...slot.wanted, atMs: nowMs } satisfies AppliedDocument
    try {
      await options.kv.put(key, JSON.stringify(document))
      slot.written = wanted
    } catch (error) {
      options.log.warn({ key }, `could not report what was applied, will retry: ${messageOf(error)}`)
    }
  }
  const flush = async () => {
    for (const [key, slot] of slots) await write(key, slot)
  }
  let created: string | undefined
  const look = async () => {
    try {
      const { streamInfo } = await options.kv.status()
      if (created !== undefined && created !== streamInfo.created) for (const slot of slots.values()) slot.written = ''
      created = streamInfo.created
    } catch (error) {
      options.log.debug(`bucket not reachable: ${messageOf(error)}`)
    }
  }
  void look()
  const timers = [setInterval(() => void flush(), INTERVAL_MS / 4), setInterval(() => void look(), LOOK_MS)]
  return {
    report: (key, state) => {
      const slot = slots.get(key) ?? { wanted: state, written: '', sentAtMs: 0, urgent: true }
      slot.urgent ||= urgentPart(slot.wanted) !== urgentPart(state)
      slot.wanted = state
      slots.set(key, slot)
      if (slot.urgent) void write(key, slot)
    },
    clear: (key) => void slots.delete(key),
    [Symbol.asyncDispose]: async () => timers.forEach(clearInterval),
  }
}
