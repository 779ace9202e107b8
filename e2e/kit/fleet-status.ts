/** What the operator says of its resources at GET /status. */
import { label, type Ref } from '@fleetloom/crds/names'

export type FleetCondition = {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
}

export type FleetStatus = Ref & {
  readonly generation: number
  readonly conditions: readonly FleetCondition[]
}

type StatusPage = {
  readonly resources: readonly {
    readonly kind: string
    readonly metadata: Ref & { readonly generation: number }
    readonly status?: { readonly conditions: readonly FleetCondition[] }
  }[]
}

/** Every fleet the operator knows. */
export const fleetStatuses = async (operatorUrl: string): Promise<FleetStatus[]> => {
  const response = await fetch(`${operatorUrl}/status`, { headers: { accept: 'application/json' } })
  const { resources } = (await response.json()) as StatusPage
  return resources
    .filter(({ kind }) => kind === 'DeviceFleet')
    .map(({ metadata: { namespace, name, generation }, status }) => ({
      ...{ namespace, name, generation },
      conditions: status?.conditions ?? [],
    }))
}

export const conditionOf = ({ conditions }: FleetStatus, type: string): FleetCondition | undefined =>
  conditions.find((condition) => condition.type === type)

/** Whether the fleet is Ready at its latest generation. */
export const isFleetReady = (fleet: FleetStatus): boolean => {
  const ready = conditionOf(fleet, 'Ready')
  return ready?.status === 'True' && ready.observedGeneration === fleet.generation
}

/** Why a fleet is not Ready, in its conditions' words. */
export const whyNotReady = (fleet: FleetStatus): string => {
  const missing = fleet.conditions.filter(({ status, type }) => status !== 'True' && type !== 'Ready')
  const words = missing.map(({ type, reason, message }) => `${type} ${reason}: ${message}`)
  return `${label(fleet)} is not ready: ${words.join('; ') || 'nothing was said yet'}`
}
