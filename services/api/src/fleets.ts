/** Fleets as the operator has compiled them; the api reads their documents and never writes them. */
import { fleetKey, label, type Ref } from '@fleetloom/crds/names'
import { type FleetDocument, parseFleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { KV } from '@nats-io/kv'
import { Problem } from './http/problem.ts'

export class Fleets {
  readonly #kv: KV

  constructor(kv: KV) {
    this.#kv = kv
  }

  /** @throws Problem when the fleet does not exist. */
  async get(fleet: Ref): Promise<FleetDocument> {
    const document = await this.find(fleet)
    if (document !== undefined) return document
    throw new Problem('fleet-not-found', `there is no fleet ${label(fleet)}`, {
      errors: [
        {
          field: 'fleet',
          value: fleet.name,
          reason: `no DeviceFleet of this name is active in namespace ${fleet.namespace}`,
        },
      ],
      next: 'Apply the DeviceFleet and wait until its condition Accepted is True.',
    })
  }

  /** A fleet that devices can be added to. @throws Problem */
  async getActive(fleet: Ref): Promise<FleetDocument> {
    const document = await this.get(fleet)
    if (document.phase === 'Active') return document
    throw new Problem('conflict', `fleet ${label(fleet)} is being removed`, {
      next: 'Wait until it is gone, then create it again.',
    })
  }

  async find(fleet: Ref): Promise<FleetDocument | undefined> {
    const entry = await this.#kv.get(fleetKey(fleet))
    if (entry?.operation !== 'PUT') return undefined
    const parsed = parseFleetDocument(entry.value)
    if ('ok' in parsed) return parsed.ok
    throw new Problem('unavailable', `the document of fleet ${label(fleet)} can not be read: ${parsed.error}`, {
      next: 'Run the api and the operator in versions that fit.',
    })
  }
}
