/** The rule of a dry run made ready: checked, compiled, and what of the history it has to be shown. Pure. */
import { namesOf } from '@fleetloom/crds/names'
import { compileRule } from '@fleetloom/shared/alerts/compile-rule'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { FleetDocument, Measurement } from '@fleetloom/shared/pipeline/fleet-document'
import { checkRule } from '@fleetloom/shared/rules/language/check-rule'
import { compileExpression } from '@fleetloom/shared/rules/language/expression'
import type { Need } from '@fleetloom/shared/rules/need'
import { type Fault, Problem } from '../http/problem.ts'
import type { DryRunBody } from './schema.ts'

export type Trial = {
  /** The fleet as one shard with one ingest session: nothing of a dry run is spread. */
  readonly fleet: FleetDocument
  readonly rule: RuleDocument
  /** Columns that the rule has to be shown. */
  readonly measurements: readonly Measurement[]
  /** Types of events: some, all, or none. */
  readonly events: readonly string[] | 'all'
  /** How much of the history before `from` is read, so that windows are full when it begins. */
  readonly leadMs: number
}

const DAY_MS = 86_400_000
/** What detectors of anomalies are given to learn from. */
const LEARNING_MS = DAY_MS

const reasonOf = (body: DryRunBody, { field, message, line, column }: ReturnType<typeof checkRule>[number]): Fault => {
  const name = field.replace(/^spec\./, '')
  const value = name === 'when' || name === 'clearWhen' ? body[name]?.slice(0, 100) : undefined
  return { field: name, ...(value !== undefined && { value }), reason: message, line, column }
}

/** @throws Problem that names the fields at fault, and where in them */
const check = (body: DryRunBody, fleet: FleetDocument): void => {
  const errors = checkRule(body, fleet).map((fault) => reasonOf(body, fault))
  if (errors.length === 0) return
  const detail = errors.map(({ field, reason }) => `${field}: ${reason}`).join('; ')
  throw new Problem('invalid-request', `body: ${detail}`, {
    errors,
    next: 'Correct the fields named and send it again.',
  })
}

const needsOf = (texts: readonly (string | undefined)[], { measurements }: FleetDocument): readonly Need[] =>
  texts.flatMap((text) => {
    const compiled = text === undefined ? undefined : compileExpression(text, measurements)
    return compiled && 'ok' in compiled ? compiled.ok.needs : []
  })

const lengthOf = (need: Need, { offlineAfterMs }: FleetDocument): number => {
  if ('windowMs' in need) return need.windowMs
  if (need.fn === 'offline') return offlineAfterMs
  return need.fn === 'last' ? 0 : LEARNING_MS
}

const ruleOf = ({ namespace, ...spec }: DryRunBody, { installation }: FleetDocument): RuleDocument =>
  compileRule(
    { metadata: { namespace, name: 'dry-run', uid: 'dry-run', generation: 1 }, spec: { ...spec, suspend: false } },
    [],
    namesOf(installation),
  )

const asOneShard = (fleet: FleetDocument): FleetDocument => ({
  ...fleet,
  sessions: 1,
  stream: { ...fleet.stream, telemetrySubjects: fleet.stream.telemetrySubjects.slice(0, 1) },
})

/** @throws Problem when the rule can't be judged for this fleet */
export const trialOf = (body: DryRunBody, fleet: FleetDocument): Trial => {
  check(body, fleet)
  const rule = ruleOf(body, fleet)
  const needs = needsOf([rule.when, rule.clearWhen], fleet)
  const readsAll = needs.some(({ fn }) => fn === 'offline')
  const read = new Set(needs.flatMap((need) => ('measurement' in need ? [need.measurement] : [])))
  const longest = Math.max(0, ...needs.map((need) => lengthOf(need, fleet)))
  return {
    ...{ fleet: asOneShard(fleet), rule },
    measurements: fleet.measurements.filter(({ name }) => readsAll || read.has(name)),
    events: readsAll ? 'all' : [...new Set(needs.flatMap((need) => ('type' in need ? [need.type] : [])))],
    leadMs: Math.min(DAY_MS, longest + rule.forMs),
  }
}
