/** The registered devices by fleet, kept up to date from the registry's bucket. */
import { label, type Ref } from '@fleetloom/crds/names'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'

export class DeviceIndex {
  readonly #fleets = new Map<string, Map<string, DeviceRecord>>()
  /** The fleet that each device was last seen in, by `<namespace>/<device>`: it may have moved while nobody followed the bucket. */
  readonly #homes = new Map<string, Ref>()
  readonly #onChange: (fleet: Ref) => void

  /** `onChange` is told whose devices changed. */
  constructor(onChange: (fleet: Ref) => void) {
    this.#onChange = onChange
  }

  /** Takes a record or a tombstone. */
  put(record: DeviceRecord): void {
    const { namespace, device, removedAt } = record
    const fleet = { namespace, name: record.fleet }
    const home = this.#homes.get(`${namespace}/${device}`)
    if (home && home.name !== fleet.name) {
      this.#leave(home, device)
      this.#onChange(home)
    }
    if (removedAt === undefined) this.#enter(fleet, record)
    else this.#leave(fleet, device)
    this.#onChange(fleet)
  }

  /** Whether any fleet of the namespace has the device. */
  has(namespace: string, device: string): boolean {
    return this.#homes.has(`${namespace}/${device}`)
  }

  of(fleet: Ref): readonly DeviceRecord[] {
    return [...(this.#fleets.get(label(fleet))?.values() ?? [])]
  }

  #enter(fleet: Ref, record: DeviceRecord): void {
    const devices = this.#fleets.get(label(fleet)) ?? new Map<string, DeviceRecord>()
    devices.set(record.device, record)
    this.#fleets.set(label(fleet), devices)
    this.#homes.set(`${fleet.namespace}/${record.device}`, fleet)
  }

  #leave(fleet: Ref, device: string): void {
    const devices = this.#fleets.get(label(fleet))
    devices?.delete(device)
    if (devices?.size === 0) this.#fleets.delete(label(fleet))
    this.#homes.delete(`${fleet.namespace}/${device}`)
  }
}
