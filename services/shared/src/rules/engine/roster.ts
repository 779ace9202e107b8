/**
 * Who is watched by what: rules and devices as they come, change and go. What fires for what goes is resolved. A rule that can't be judged,
 * such as one whose measurement the fleet has no more, is kept all the same, over a restart too: its alerts stay as they are until it can.
 */

import type { RuleDocument } from '../../alerts/rule-document.ts'
import type { AlertCause } from '../../alerts/transition.ts'
import type { Adopted } from './alert-states.ts'
import { emit } from './emit.ts'
import { catchUp, judge, seek } from './judge.ts'
import type { Piece } from './pieces.ts'
import type { Labels } from './ports.ts'
import { type Compiled, compileRule, Rule, UNJUDGED } from './rule.ts'
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

/** The device's time for a change that comes from outside, once it has caught up; the marks' where it has none. */
const timeOf = ({ devices, clock }: Shard, device: number): number => {
  const micros = devices.judged.get(device)
  return Number.isFinite(micros) ? micros : (clock.mark ?? 0) * 1000
}

/** The device is past this time: a rule that comes back to it at once must not fire at a time at which it has fired before. */
const passed = ({ devices }: Shard, device: number, micros: number): void => {
  devices.judged.set(device, Math.max(devices.judged.get(device), micros + 1))
}

/** The rules that use a piece of history, by the piece. */
type Users = ReadonlyMap<Piece, readonly Rule[]>

/** Found out once for all devices that a rule leaves. */
const usersOf = ({ rules }: Shard, { bound }: Rule): Users => {
  const users = new Map<Piece, Rule[]>(bound.pieces.map((piece) => [piece, []]))
  for (const rule of rules) for (const piece of rule.bound.pieces) users.get(piece)?.push(rule)
  return users
}

/** Drops the history of a device that no rule that watches it needs. */
const forget = (users: Users, device: number): void => {
  for (const [piece, rules] of users) if (!rules.some((rule) => rule.watches(device))) piece.forget(device)
}

/** Takes a device from a rule that watches it; its history stays. */
const leave = (shard: Shard, rule: Rule, device: number, cause: AlertCause): void => {
  shard.stamp++
  seek(shard, device, timeOf(shard, device))
  const step = rule.states.drop(device, shard.moment.micros)
  if (step) {
    emit(shard, rule, device, { step, cause })
    passed(shard, device, step.atMicros)
  }
}

type Leaving = { readonly cause: AlertCause; readonly users?: Users | undefined }

/** Takes a device from a rule, with the history that no other needs of it. */
export const drop = (shard: Shard, rule: Rule, device: number, { cause, users }: Leaving): void => {
  if (!rule.watches(device)) return
  leave(shard, rule, device, cause)
  forget(users ?? usersOf(shard, rule), device)
}

export const dropAll = (shard: Shard, rule: Rule, cause: AlertCause): void => {
  const users = usersOf(shard, rule)
  for (const device of shard.devices.table.all()) drop(shard, rule, device, { cause, users })
}

const isMatch = ({ ports, devices }: Shard, { document }: Rule, device: number): boolean =>
  ports.matches(document.selector, devices.labels[device] ?? {})

/** Lets the rule watch the device exactly if its selector says so. */
export const match = (shard: Shard, rule: Rule, device: number, users?: Users): void => {
  if (!isMatch(shard, rule, device)) {
    drop(shard, rule, device, { cause: 'rule-changed', users })
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

/** Lets what the devices' own time still has to do happen before a change that comes from outside. */
const catchAllUp = (shard: Shard): void => {
  for (const device of shard.devices.table.all()) catchUp(shard, device)
}

/** Forgets the history that no rule needs any more. */
const tidy = (shard: Shard): void => {
  indexRules(shard)
  shard.history.keep(shard.rules.map(({ bound }) => bound))
}

/** Puts `rule` in the place of `former`. */
const install = (shard: Shard, rule: Rule, former: Rule | undefined): void => {
  shard.rules = [...shard.rules.filter((other) => other !== former), rule]
  const users = usersOf(shard, rule)
  const formerUsers = former && usersOf(shard, former)
  for (const device of shard.devices.table.all()) {
    rule.states.renew(device)
    match(shard, rule, device, users)
    if (formerUsers) forget(formerUsers, device)
  }
  tidy(shard)
  for (const device of shard.devices.table.all()) judgeNow(shard, rule, device)
}

export const setRule = (shard: Shard, document: RuleDocument): string | undefined => {
  const compiled = compileRule(document, shard.ports, shard.fleet.measurements)
  const former = shard.rules.find((rule) => rule.document.uid === document.uid)
  catchAllUp(shard)
  const rule = placeRule(shard, document, 'ok' in compiled ? compiled.ok : UNJUDGED, former)
  const fault = 'fault' in compiled ? compiled.fault : undefined
  if (fault !== undefined) rule.stop(fault)
  install(shard, rule, former)
  return fault
}

/** Lets an alert of an earlier life go on; false where there is no such rule or it does not watch the device. */
export const adopt = (shard: Shard, { uid, id }: { uid: string; id: string }, alert: Adopted): boolean => {
  const rule = shard.rules.find(({ document }) => document.uid === uid)
  const device = shard.devices.table.findId(id)
  if (!rule || device < 0 || !rule.watches(device)) return false
  rule.states.adopt(device, alert)
  return true
}

/**
 * Judges what was adopted from now on. Silence that was not heard long enough says nothing yet: a rule about it is judged at the next row,
 * or when the silence has become long. Gives how many alerts were released.
 */
export const releaseAdopted = (shard: Shard): number => {
  let released = 0
  const { rules, devices, wheel, clock } = shard
  for (const { states, bound } of rules)
    for (const device of devices.table.all()) {
      if (!states.isHeld(device)) continue
      states.release(device, bound.silences.length === 0 || devices.seenMs.get(device) > 0)
      wheel.lower(device, clock.elapsed)
      released++
    }
  return released
}

export const removeRule = (shard: Shard, uid: string, cause: AlertCause): void => {
  const rule = shard.rules.find((one) => one.document.uid === uid)
  if (!rule) return
  catchAllUp(shard)
  dropAll(shard, rule, cause)
  rule.states.close()
  shard.rules = shard.rules.filter((other) => other !== rule)
  tidy(shard)
}

/** Compiles all rules against changed measurements. */
export const recompile = (shard: Shard): void => {
  for (const { document } of shard.rules) setRule(shard, document)
  tidy(shard)
}

export const setDevice = (shard: Shard, id: string, labels: Labels): void => {
  const { devices, clock, rules, wheel } = shard
  const known = devices.table.findId(id)
  const device = known < 0 ? devices.add(id, labels) : known
  if (known < 0) devices.heard.set(device, clock.now)
  else catchUp(shard, device)
  devices.labels[device] = labels
  const added = rules.filter((rule) => !rule.watches(device) && isMatch(shard, rule, device))
  for (const rule of [...added, ...rules]) match(shard, rule, device)
  for (const rule of added) judgeNow(shard, rule, device)
  wheel.lower(device, clock.elapsed)
}

export const removeDevice = (shard: Shard, id: string, cause: AlertCause): void => {
  const { devices, history, rules, waiting, wheel } = shard
  const device = devices.table.findId(id)
  if (device < 0) return
  catchUp(shard, device)
  for (const rule of rules) if (rule.watches(device)) leave(shard, rule, device, cause)
  for (const piece of history.pieces.values()) piece.forget(device)
  shard.online -= devices.online.get(device)
  waiting.forget(device)
  wheel.set(device, Number.POSITIVE_INFINITY)
  devices.remove(device)
}
