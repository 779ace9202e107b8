/**
 * What one evaluation of a rule's expression costs, readers given: evaluations per second on one core, the best of some rounds.
 * Usage: node e2e/bench/language.ts [EXPRESSION…]
 */

import { compileExpression, type Schema } from '@fleetloom/shared/rules/language/expression'
import type { Value } from '@fleetloom/shared/rules/need'

const DEVICES = 1024
const ROUNDS = 8
const PASSES = 200

const SCHEMA: Schema = [
  { name: 'temperature', type: 'Double' },
  { name: 'count', type: 'Long' },
  { name: 'door', type: 'Symbol' },
]

const EXPRESSIONS = [
  "avg(temperature, '1m') > 8.0 && last(door) == 'closed'",
  "avg(temperature, '1m') - avg(temperature, '1h') > 2 * stddev(temperature, '1h') || last(count) % 2 == 1",
  "last(door) in ['open', 'ajar'] && labels.zone == 'a' && device.startsWith('truck-')",
  "device.matches('^truck-[0-9]+$') && last(door).matches('^(op|aj)')",
]

const scope = { id: (device: number) => `truck-${device}`, labels: () => ({ zone: 'a' }) }

/** A number or a text per device, as the need's measurement would give. */
const valuesOf = (isText: boolean): readonly Value[] =>
  Array.from({ length: DEVICES }, (_, i) => (isText ? (['open', 'closed', 'ajar'][i % 3] as string) : (i % 16) + 0.5))

type Judge = (device: number) => boolean | undefined

const judgeOf = (text: string): Judge => {
  const result = compileExpression(text, SCHEMA)
  if ('fault' in result) throw new Error(result.fault.message)
  const { needs, bind } = result.ok
  const readers = needs.map((need) => {
    const values = valuesOf('measurement' in need && need.measurement === 'door')
    return (device: number) => values[device]
  })
  return bind(readers, scope)
}

const rateOf = (judge: Judge): { readonly perSecond: number; readonly held: number } => {
  let held = 0
  const started = performance.now()
  for (let pass = 0; pass < PASSES; pass++) for (let device = 0; device < DEVICES; device++) if (judge(device)) held++
  return { perSecond: (PASSES * DEVICES * 1000) / (performance.now() - started), held }
}

const given = process.argv.slice(2)
const judges = [...EXPRESSIONS, ...given].map((text) => ({ text, judge: judgeOf(text) }))
// Rounds over all of them, as an alerter runs many rules through the same closures.
const rounds = Array.from({ length: ROUNDS }, () => judges.map(({ judge }) => rateOf(judge)))
for (const [i, { text }] of judges.entries()) {
  const perSecond = Math.max(...rounds.map((round) => round[i]?.perSecond ?? 0))
  const share = (rounds[0]?.[i]?.held ?? 0) / (PASSES * DEVICES)
  process.stdout.write(`${(perSecond / 1e6).toFixed(1).padStart(6)} M/s, true in ${share.toFixed(2)}  ${text}\n`)
}
