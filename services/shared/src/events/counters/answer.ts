/**
 * What the owner of a shard answers about its events on `names.askSubject(fleet)`, and how the answers of all shards become one.
 * Counts add up; users are distinct over all shards, as their registers merge.
 */
import { z } from 'zod'
import { estimate, mergeRegisters, REGISTERS } from './registers.ts'

/** Windows of event time, ms. */
export const WINDOWS = { '1m': 60_000, '5m': 300_000, '1h': 3_600_000, '24h': 86_400_000 } as const
export type WindowName = keyof typeof WINDOWS

const count = z.number().min(0)

const typeCounts = z.object({
  /** Name and count of each type that is counted apart, in no order. */
  types: z.array(z.tuple([z.string(), count])).max(1_000),
  /** Events of all other types. */
  other: count,
})

/** `users`: registers of the users that were active, as `encodeRegisters` gives them. */
const counts = typeCounts.extend({ users: z.base64().max(65_536) })

const countersAnswer = z.object({
  /** Up to which time of the stream all is counted, µs since the epoch; where the windows end. */
  asOfMicros: z.number(),
  total: count,
  /** Events that were a day old or more when they came: in the total, in no window. */
  late: count,
  ever: counts,
  windows: z.record(z.enum(Object.keys(WINDOWS) as WindowName[]), counts),
})

/** Request on `names.askSubject(fleet)`. Whoever owns a shard of the fleet answers with a `shardCounters`; nobody else does. */
export const countersRequest = z.object({ kind: z.literal('counters') })

export const shardCounters = z.object({
  version: z.string(),
  /** UID of the fleet. */
  uid: z.string(),
  shard: z.number().int().min(0),
  counters: countersAnswer,
})

export type TypeCounts = z.infer<typeof typeCounts>
export type CountersAnswer = z.infer<typeof countersAnswer>
export type ShardCounters = z.infer<typeof shardCounters>

export type CountsView = {
  readonly count: number
  /** Different users that were active: within 2 % of the truth. */
  readonly users: number
  /** The most frequent types, most first. */
  readonly types: readonly { readonly type: string; readonly count: number }[]
  /** Events of types that are not listed. */
  readonly other: number
}

export type WindowView = CountsView & { readonly perSecond: number }

export type CountersView = {
  /** Up to when every shard has counted. RFC 3339. */
  readonly asOf: string
  readonly total: CountsView
  readonly late: number
  readonly windows: Readonly<Record<WindowName, WindowView>>
}

/** Types that are listed. */
const LISTED = 20

type Counts = CountersAnswer['ever']

const byCount = (a: readonly [string, number], b: readonly [string, number]): number =>
  b[1] - a[1] || (a[0] < b[0] ? -1 : 1)

const countsView = (parts: readonly Counts[]): CountsView => {
  const byType = new Map<string, number>()
  const registers = new Uint8Array(REGISTERS)
  let other = 0
  for (const part of parts) {
    for (const [type, n] of part.types) byType.set(type, (byType.get(type) ?? 0) + n)
    mergeRegisters(registers, part.users)
    other += part.other
  }
  const ranked = [...byType].sort(byCount)
  const sum = (some: typeof ranked) => some.reduce((total, [, n]) => total + n, 0)
  return {
    count: sum(ranked) + other,
    users: estimate(registers),
    types: ranked.slice(0, LISTED).map(([type, n]) => ({ type, count: n })),
    other: other + sum(ranked.slice(LISTED)),
  }
}

/** The answers of all shards of a fleet, one each, as one. Pure. */
export const mergeCounters = (answers: readonly CountersAnswer[]): CountersView => {
  const windowView = (name: WindowName): WindowView => {
    const view = countsView(answers.map(({ windows }) => windows[name]))
    return { ...view, perSecond: view.count / (WINDOWS[name] / 1000) }
  }
  const names = Object.keys(WINDOWS) as WindowName[]
  return {
    asOf: new Date(Math.floor(Math.min(...answers.map(({ asOfMicros }) => asOfMicros)) / 1000)).toISOString(),
    total: countsView(answers.map(({ ever }) => ever)),
    late: answers.reduce((sum, { late }) => sum + late, 0),
    windows: Object.fromEntries(names.map((name) => [name, windowView(name)])) as CountersView['windows'],
  }
}
