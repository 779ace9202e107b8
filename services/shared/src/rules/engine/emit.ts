/** Makes the transition that is told of a change of state. */
import { boundedTexts } from '../../alerts/bounded-texts.ts'
import { type AlertCause, type Transition, transitionId } from '../../alerts/transition.ts'
import type { Step } from './alert-states.ts'
import type { TemplateValues } from './ports.ts'
import type { Rule } from './rule.ts'
import type { Shard } from './shard.ts'

const VERSION = '1.0'

/** A template that can't be filled in is told as it stands: the alert matters more than its words. */
const renderAll = (shard: Shard, templates: Readonly<Record<string, string>>, values: TemplateValues) => {
  const filled = (template: string): string => {
    try {
      return shard.ports.render(template, values)
    } catch {
      return template
    }
  }
  return Object.fromEntries(Object.entries(templates).map(([name, template]) => [name, filled(template)]))
}

const valueFor = ({ bound }: Rule, device: number): number | undefined => {
  const value = bound.value?.(device)
  return typeof value === 'number' ? value : undefined
}

export const emit = (
  shard: Shard,
  rule: Rule,
  device: number,
  { step, cause }: { step: Step; cause: AlertCause },
): void => {
  const { namespace, name, severity, installation, fleet, uid: ruleUid, labels, annotations, notify } = rule.document
  const id = shard.devices.id(device)
  const value = valueFor(rule, device)
  const { from, to, atMicros, firingSince } = step
  const values = {
    namespace,
    fleet,
    rule: name,
    device: id,
    severity,
    value,
    labels: shard.devices.labels[device] ?? {},
  }
  const transition: Transition = {
    version: VERSION,
    id: transitionId({ ruleUid, device: id, to, atMicros }),
    ...{ installation, namespace, fleet, rule: name, ruleUid, device: id, from, to, cause, atMicros },
    ...(firingSince !== undefined && { firingSinceMicros: firingSince }),
    ...(value !== undefined && { value }),
    severity,
    ...boundedTexts({
      labels: renderAll(shard, labels, values),
      annotations: renderAll(shard, annotations, values),
    }),
    notify,
  }
  shard.transitions.push(transition)
}
