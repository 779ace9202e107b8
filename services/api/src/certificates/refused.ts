/** Which certificates are to be refused, by what the registry says of each device, removed ones among them. */
import { deviceKey } from '@fleetloom/crds/names'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import type { RefusedCertificate } from './revocation-list.ts'

type Refused = RefusedCertificate & { readonly notAfter: Date }

/** The revoked ones, and all that a disabled device has, until it is enabled again. */
export const refusedOf = ({ certificates, disabled, updatedAt }: DeviceRecord): Refused[] =>
  certificates
    .filter(({ revokedAt }) => disabled || revokedAt !== undefined)
    .map(({ serial, revokedAt, notAfter }) => ({
      serial,
      since: new Date(revokedAt ?? updatedAt),
      reason: revokedAt === undefined ? 'certificateHold' : 'unspecified',
      notAfter: new Date(notAfter),
    }))

export class RefusedCertificates {
  readonly #byDevice = new Map<string, readonly Refused[]>()
  #version = 0

  /** Moves on whenever the list may have changed. */
  get version(): number {
    return this.#version
  }

  /** Takes a record or a tombstone. */
  put(record: DeviceRecord): void {
    const key = deviceKey(record.namespace, record.device)
    const refused = refusedOf(record)
    if (refused.length === 0 && !this.#byDevice.has(key)) return
    if (refused.length === 0) this.#byDevice.delete(key)
    else this.#byDevice.set(key, refused)
    this.#version++
  }

  /** By serial; an expired certificate needs no list to be refused. */
  list(now: Date): readonly RefusedCertificate[] {
    return [...this.#byDevice.values()]
      .flat()
      .filter(({ notAfter }) => notAfter > now)
      .sort((a, b) => (a.serial < b.serial ? -1 : 1))
  }
}
