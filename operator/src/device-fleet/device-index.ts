/** The registered devices by fleet, kept up to date from the registry's bucket. */
import { label, type Ref } from '@fleetloom/crds/names'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'

export class DeviceIndex {
  readonly #fleets = new Map<string, Map<string, DeviceRecord>>()
  readonly #onChange: (fleet: Ref) => void

  /** `onChange` is told whose devices changed. */
  constructor(onChange: (fleet: Ref) => void) {
    this.#onChange = onChange
  }

  /** Takes a record or a tombstone. */
  put(record: DeviceRecord): void {
    const fleet = { namespace: record.namespace, name: record.fleet }
    const devices = this.#fleets.get(label(fleet)) ?? new Map<string, DeviceRecord>()
    if (record.removedAt === undefined) devices.set(record.device, record)
    else devices.delete(record.device)
    if (devices.size > 0) this.#fleets.set(label(fleet), devices)
    else this.#fleets.delete(label(fleet))
    this.#onChange(fleet)
  }

  /** Whether any fleet of the namespace has the device. */
  has(namespace: string, device: string): boolean {
    return [...this.#fleets].some(([fleet, devices]) => fleet.startsWith(`${namespace}/`) && devices.has(device))
  }

  of(fleet: Ref): readonly DeviceRecord[] {
    return [...(this.#fleets.get(label(fleet))?.values() ?? [])]
  }
}
