/** Who is watched by what: rules and devices as they come, change and go. What fires for what goes is resolved. */

import type { RuleDocument } from '../../alerts/rule-document.ts'
import type { AlertCause } from '../../alerts/transition.ts'
import { emit } from './emit.ts'
import { judge, quietTime, seek } from './judge.ts'
import type { Labels } from './ports.ts'
import { type Compiled, compileRule, Rule } from './rule.ts'
import { indexRules, type Shard } from './shard.ts'

const scopeOf = ({ devices }: Shard) => ({
  id: (device: number) => devices.id(device),
  labels: (device: number) => devices.labels[device] ?? {},
})

export const placeRule = (shard: Shard, document: RuleDocument, compiled: Compiled, former?: Rule): Rule => {
  const names = shard.fleet.measurements.map(({ name }) => name)
  return new Rule(
    document,
    compiled,
    { history: shard.history, board: shard.board, scope: scopeOf(shard), names },
    former,
  )
}

/** The device's time for a change that comes from outside; the marks' where it has none. */
const timeOf = (shard: Shard, device: number): number => {
  const micros = Math.max(shard.devices.judged.get(device), quietTime(shard, device))
  return Number.isFinite(micros) ? micros : (shard.clock.mark ?? 0) * 1000
}

/** The device is past this time: a rule that comes back to it at once must not fire at a time at which it has fired before. */
const passed = ({ devices }: Shard, device: number, micros: number): void => {
  devices.judged.set(device, Math.max(devices.judged.get(device), micros + 1))
}

/** Takes a device from a rule. */
export const drop = (shard: Shard, rule: Rule, device: number, cause: AlertCause): void => {
  if (!rule.watches(device)) return
  shard.stamp++
  seek(shard, device, timeOf(shard, device))
  const step = rule.states.drop(device, shard.moment.micros)
  if (step) {
    emit(shard, rule, device, { step, cause })
    passed(shard, device, step.atMicros)
  }
  for (const piece of rule.bound.pieces) {
    const isUsed = shard.rules.some(
      (other) => other !== rule && other.watches(device) && other.bound.pieces.includes(piece),
    )
    if (!isUsed) piece.forget(device)
  }
}

export const dropAll = (shard: Shard, rule: Rule, cause: AlertCause): void => {
  for (const device of shard.devices.table.all()) drop(shard, rule, device, cause)
}

/** Lets the rule watch the device exactly if its selector says so. */
export const match = (shard: Shard, rule: Rule, device: number): void => {
  const isMatch = shard.ports.matches(rule.document.selector, shard.devices.labels[device] ?? {})
  if (!isMatch) {
    drop(shard, rule, device, 'rule-changed')
    return
  }
  rule.states.watch(device)
  for (const piece of rule.bound.pieces) if (!piece.isWatched(device)) piece.watch(device)
  shard.wheel.lower(device, shard.clock.elapsed)
}

/** Judges a rule anew for a device that has a time. */
const judgeNow = (shard: Shard, rule: Rule, device: number): void => {
  const micros = shard.devices.judged.get(device)
  if (!Number.isFinite(micros)) return
  shard.stamp++
  seek(shard, device, micros)
  judge(shard, rule, device, false)
}

/** Forgets the history that no rule needs any more. */
const tidy = (shard: Shard): void => {
  indexRules(shard)
  shard.history.keep(new Set(shard.rules.flatMap(({ bound }) => bound.pieces)))
}

/** Puts `rule` in the place of `former`. */
const install = (shard: Shard, rule: Rule, former: Rule | undefined): void => {
  shard.rules = [...shard.rules.filter((other) => other !== former), rule]
  for (const device of shard.devices.table.all()) {
    rule.states.renew(device)
    match(shard, rule, device)
  }
  tidy(shard)
  for (const device of shard.devices.table.all()) judgeNow(shard, rule, device)
}

export const setRule = (shard: Shard, document: RuleDocument): string | undefined => {
  const compiled = compileRule(document, shard.ports, shard.fleet.measurements)
  if ('fault' in compiled) return compiled.fault
  const former = shard.rules.find((rule) => rule.document.uid === document.uid)
  install(shard, placeRule(shard, document, compiled.ok, former), former)
  return undefined
}

export const removeRule = (shard: Shard, uid: string, cause: AlertCause): void => {
  const rule = shard.rules.find((one) => one.document.uid === uid)
  if (!rule) return
  dropAll(shard, rule, cause)
  rule.states.close()
  shard.rules = shard.rules.filter((other) => other !== rule)
  tidy(shard)
}

/** Compiles all rules against changed measurements. One that fits them no more stops, and its alerts stay as they are. */
export const recompile = (shard: Shard): void => {
  for (const rule of shard.rules) {
    const fault = setRule(shard, rule.document)
    if (fault !== undefined) rule.stop(fault)
  }
  tidy(shard)
}

export const setDevice = (shard: Shard, id: string, labels: Labels): void => {
  const { devices, clock, rules, wheel } = shard
  const known = devices.table.findId(id)
  const device = known < 0 ? devices.add(id, labels) : known
  if (known < 0) devices.heard.set(device, clock.heard)
  devices.labels[device] = labels
  for (const rule of rules) {
    const was = rule.watches(device)
    match(shard, rule, device)
    if (!was && rule.watches(device)) judgeNow(shard, rule, device)
  }
  wheel.lower(device, clock.elapsed)
}

export const removeDevice = (shard: Shard, id: string, cause: AlertCause): void => {
  const { devices, rules, waiting, wheel } = shard
  const device = devices.table.findId(id)
  if (device < 0) return
  for (const rule of rules) drop(shard, rule, device, cause)
  shard.online -= devices.online.get(device)
  waiting.forget(device)
  wheel.set(device, Number.POSITIVE_INFINITY)
  devices.remove(device)
}
