/**
 * What the engine is given: the language of rules, templates, label selectors and the anomaly detector. It knows them only by these
 * types, so that it can be tried with a compiler of a few lines.
 */
import type { Selector } from '../../alerts/rule-document.ts'
import type { Measurement } from '../../pipeline/fleet-document.ts'
import type { Need, Reader } from '../need.ts'

export type Labels = Readonly<Record<string, string>>

/** The devices that expressions are judged for, by index. */
export type DeviceScope = {
  readonly id: (device: number) => string
  readonly labels: (device: number) => Labels
}

export type Condition = (device: number) => boolean | undefined

export type Expression = {
  readonly needs: readonly Need[]
  /** Index of the first need that gives a number. */
  readonly valueNeed: number | undefined
  /** `readers` holds one reader per need, in their order. */
  readonly bind: (readers: readonly Reader[], scope: DeviceScope) => Condition
}

export type Compile = (
  text: string,
  measurements: readonly Measurement[],
) => { readonly ok: Expression } | { readonly fault: { readonly message: string } }

/** What a template of a label or an annotation may name. */
export type TemplateValues = {
  readonly namespace: string
  readonly fleet: string
  readonly rule: string
  readonly device: string
  readonly severity: string
  readonly value: number | undefined
  readonly labels: Labels
}

/** An online detector: `observe` takes a reading into the state and gives its score, 0 to 1. */
export type Detector = {
  /** A state takes this many bytes, always. */
  readonly stateBytes: number
  readonly create: () => Float64Array
  readonly observe: (state: Float64Array, timestampMs: number, value: number) => number
}

export type Ports = {
  readonly compile: Compile
  readonly matches: (selector: Selector, labels: Labels) => boolean
  readonly render: (template: string, values: TemplateValues) => string
  readonly detector: Detector
}
