/** A rule at work: its document compiled, tied to the history it reads, with the state of each device that it watches. */
import type { RuleDocument } from '../../alerts/rule-document.ts'
import type { Measurement } from '../../pipeline/fleet-document.ts'
import type { Need, Reader } from '../need.ts'
import { AlertStates, type Conditions, STATE } from './alert-states.ts'
import type { Board } from './board.ts'
import type { History, Share, Silence, Source } from './history.ts'
import type { Piece } from './pieces.ts'
import type { DeviceScope, Expression, Ports } from './ports.ts'

/** Faults in a row after which a rule is called unhealthy. */
export const FAULTS = 16

/** What a rule compiles to. */
type Bound = {
  readonly conditions: Conditions
  readonly value: Reader | undefined
  readonly pieces: readonly Piece[]
  readonly silences: readonly Silence[]
  readonly shares: readonly Share[]
  readonly columns: ReadonlySet<number>
  readonly events: ReadonlySet<string>
}

export type Compiled = { readonly when: Expression; readonly clear: Expression | undefined }

export type Health = {
  /** How many judgements in a row failed. */
  inRow: number
  message: string | undefined
  /** A stopped rule is judged no more; its alerts stay as they are. */
  isStopped: boolean
}

const NOTHING: Expression = { needs: [], valueNeed: undefined, bind: () => () => undefined }

/** Stands in for the expressions of a rule that can't be judged, or that is only kept until its alerts are resolved. */
export const UNJUDGED: Compiled = { when: NOTHING, clear: undefined }

const limitsOf = ({ forMs, forReadings, keepFiringForMs }: RuleDocument) => ({
  forMicros: forMs * 1000,
  forReadings,
  keepMicros: keepFiringForMs * 1000,
})

/** Compiles a rule's expressions, or tells what is wrong, naming the field. */
export const compileRule = (
  { when, clearWhen }: RuleDocument,
  { compile }: Ports,
  measurements: readonly Measurement[],
): { readonly ok: Compiled } | { readonly fault: string } => {
  const first = compile(when, measurements)
  if ('fault' in first) return { fault: `when: ${first.fault.message}` }
  if (clearWhen === undefined) return { ok: { when: first.ok, clear: undefined } }
  const second = compile(clearWhen, measurements)
  return 'fault' in second
    ? { fault: `clearWhen: ${second.fault.message}` }
    : { ok: { when: first.ok, clear: second.ok } }
}

const bind = (compiled: Compiled, history: History, scope: DeviceScope, names: readonly string[]): Bound => {
  const { when, clear } = compiled
  const sources = new Map<Need, Source>()
  const sourceOf = (need: Need): Source => {
    const source = sources.get(need) ?? history.source(need)
    sources.set(need, source)
    return source
  }
  const bound = (expression: Expression) =>
    expression.bind(
      expression.needs.map((need) => sourceOf(need).reader),
      scope,
    )
  const conditions = { when: bound(when), clear: clear && bound(clear) }
  const valueNeed = when.valueNeed === undefined ? undefined : when.needs[when.valueNeed]
  const needs = [...when.needs, ...(clear?.needs ?? [])]
  const all = [...sources.values()]
  return {
    conditions,
    value: valueNeed && sourceOf(valueNeed).reader,
    pieces: [...new Set(all.flatMap(({ pieces }) => pieces))],
    silences: all.flatMap(({ silence }) => (silence ? [silence] : [])),
    shares: all.flatMap(({ share }) => (share ? [share] : [])),
    columns: new Set(
      needs.some(({ fn }) => fn === 'offline')
        ? names.keys()
        : needs.flatMap((need) => ('measurement' in need ? [names.indexOf(need.measurement)] : [])),
    ),
    events: new Set(needs.flatMap((need) => ('type' in need ? [need.type] : []))),
  }
}

/** What a rule is tied to. */
export type Place = {
  readonly history: History
  readonly board: Board
  readonly scope: DeviceScope
  readonly names: readonly string[]
}

export class Rule {
  readonly document: RuleDocument
  readonly states: AlertStates
  readonly bound: Bound
  readonly health: Health = { inRow: 0, message: undefined, isStopped: false }
  /** Time of the last judgement of any device. */
  lastEvaluatedMicros = 0

  /** The row by which this rule was judged last, so that one row judges it once. */
  stamp = 0

  /** `former` is the rule before an edit, whose alerts go on. */
  constructor(document: RuleDocument, compiled: Compiled, place: Place, former?: Rule) {
    this.document = document
    this.bound = bind(compiled, place.history, place.scope, place.names)
    this.states = former?.states ?? new AlertStates(limitsOf(document), place.board)
    this.states.limits = limitsOf(document)
  }

  watches(device: number): boolean {
    return this.states.of(device) !== STATE.unwatched
  }

  /** What is known of when time alone changes something: see `AlertStates.due`. */
  due(device: number): number {
    return this.states.due(device)
  }

  /** Finds out when time alone changes something, and keeps it as `due`. */
  next(device: number): number {
    const known = this.states.due(device)
    if (Number.isInteger(known) || known === Number.POSITIVE_INFINITY) return known
    const next = this.health.isStopped ? Number.POSITIVE_INFINITY : this.#next(device, Math.ceil(known))
    this.states.setDue(device, next)
    return next
  }

  #next(device: number, from: number): number {
    let next = this.states.deadline(device, from)
    const { pieces } = this.bound
    for (let i = 0; i < pieces.length; i++) {
      const leaves = (pieces[i] as Piece).nextLeave(device, from)
      if (leaves < next) next = leaves
    }
    return next
  }

  /** Notes a fault of a judgement, which neither stops the shard nor changes the alert. */
  failed(message: string): void {
    if (++this.health.inRow >= FAULTS) this.health.message = message
  }

  stop(message: string): void {
    this.health.message = message
    this.health.isStopped = true
  }

  succeeded(): void {
    if (this.health.inRow === 0) return
    this.health.inRow = 0
    this.health.message = undefined
  }
}
