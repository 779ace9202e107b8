/** Whether a rule can be judged for its fleet, and the words for it: the same at admission and in conditions. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'

/** `field` is a path of the spec; the message holds position and advice. */
export type RuleFault = { readonly field: string; readonly message: string }

/** What of a fleet its rules depend on. */
export type CheckedFleet = Pick<DeviceFleetSpec, 'measurements' | 'topics'>

/** Faults of a rule; without its fleet only those that can be told without one. */
export type RuleCheck = (spec: AlertRuleSpec, fleet: CheckedFleet | undefined) => readonly RuleFault[]

/** `spec.when: unknown name temprature at line 1, column 5; did you mean temperature?` */
export const faultText = (faults: readonly RuleFault[]): string =>
  faults.map(({ field, message }) => `${field}: ${message}`).join('; ')
