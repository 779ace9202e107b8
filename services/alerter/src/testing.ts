/** Builders for tests. */
import { type Transition, transitionId } from '@fleetloom/shared/alerts/transition'

export const T0_MICROS = 1_700_000_000_000_000

/** A transition to firing of rule too-warm for reefer-7; its id follows from what it is unless it is given. */
export const transitionOf = (change: Partial<Transition> = {}): Transition => {
  const one = {
    version: '1.0',
    installation: 'fleetloom',
    namespace: 'coldchain',
    fleet: 'reefers',
    rule: 'too-warm',
    ruleUid: 'uid-too-warm',
    device: 'reefer-7',
    from: 'inactive',
    to: 'firing',
    cause: 'condition',
    atMicros: T0_MICROS,
    severity: 'critical',
    labels: { team: 'cold' },
    annotations: { summary: 'reefer-7 is at 8.25 Cel' },
    notify: [],
    ...change,
  } as const satisfies Omit<Transition, 'id'>
  return { id: transitionId(one), ...one }
}
