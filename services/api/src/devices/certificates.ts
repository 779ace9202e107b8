/**
 * Certificates of devices. What is signed is listed in the registry before the device hears of it, so that it can be revoked.
 *
 * Revoking takes all certificates of a device at once. Its account loses its rights and its session with them (the registry says that
 * nothing is left to let it in with), and the certificates go on the revocation list, by which brokers refuse each of them for good.
 * A broker takes a moment to load the list. So that a revoked certificate is never let in with rights, the device gets a new
 * certificate only after that moment, and whoever slipped in before is thrown out first.
 */
import { deviceUser } from '@fleetloom/crds/names'
import { NO_ACCESS } from '@fleetloom/shared/broker/acl'
import { messageOf } from '@fleetloom/shared/process/logger'
import { deviceAccount } from '@fleetloom/shared/registry/device-account'
import {
  allRevoked,
  type DeviceRecord,
  type IssuedCertificate,
  MAX_CERTIFICATES,
  mayConnect,
} from '@fleetloom/shared/registry/device-record'
import type { Entry, Registry } from '@fleetloom/shared/registry/registry'
import type { DeviceCa, Issued } from '../certificates/ca.ts'
import { notConfigured } from '../certificates/not-configured.ts'
import type { Fleets } from '../fleets.ts'
import { Problem } from '../http/problem.ts'
import { type DeviceAccounts, fleetOf, follow } from './accounts.ts'
import { type ListDelay, mustBeKnown, unexpired } from './list-delay.ts'
import { noDevice } from './provisioning.ts'

export type CertificateParts = ListDelay & {
  readonly registry: Pick<Registry, 'change'>
  readonly fleets: Pick<Fleets, 'getActive'>
  readonly accounts: Pick<DeviceAccounts, 'putOne' | 'align'>
  /** Absent where no CA is configured. */
  readonly ca: DeviceCa | undefined
}

export type Signed = Pick<Issued, 'chain'> & { readonly certificate: IssuedCertificate; readonly username: string }

export class Certificates {
  readonly #parts: CertificateParts

  constructor(parts: CertificateParts) {
    this.#parts = parts
  }

  /** Signs a request (PEM or DER) of the device. @throws Problem */
  async sign({ record }: Entry, csr: Buffer): Promise<Signed> {
    const { ca, fleets, registry, accounts, now } = this.#parts
    mustUseCertificates(record)
    if (ca === undefined) throw notConfigured()
    mustBeDue(record, this.#parts)
    await fleets.getActive(fleetOf(record))
    const username = deviceUser(record.namespace, record.device)
    const { chain, record: certificate } = await ca.issue({ username, csr, now: now() })
    if (!mayConnect(record))
      await accounts.putOne({ ...deviceAccount({ grants: NO_ACCESS }, record), secret: { certificate: true } })
    const add = (current: DeviceRecord): DeviceRecord => {
      mustBeSame(current, record)
      mustBeDue(current, this.#parts)
      return { ...current, certificates: [...unexpired(current, now()), certificate] }
    }
    must(await registry.change(record, add), record)
    try {
      await accounts.align(record)
    } catch (error) {
      await this.#unlist(record, certificate)
      throw new Problem('unavailable', `no certificate was given out: ${messageOf(error)}`, {
        next: 'Send the request again in a while.',
      })
    }
    return { chain, certificate, username }
  }

  /** Takes back what nobody got: else a device that asks on while the broker is away has as many as it may have. */
  async #unlist(record: DeviceRecord, { serial }: IssuedCertificate): Promise<void> {
    const without = (current: DeviceRecord): DeviceRecord => ({
      ...current,
      certificates: current.certificates.filter((one) => one.serial !== serial),
    })
    // Where this fails too, it stays listed until it expires, which costs the device one of its places.
    await this.#parts.registry.change(record, without).catch(() => undefined)
  }

  /** Revokes every certificate of the device and ends its session; repeating it is a success. @throws Problem */
  async revoke({ record }: Entry): Promise<Entry> {
    const { registry, accounts, now } = this.#parts
    mustUseCertificates(record)
    const revokedAt = now().toISOString()
    const changed = await registry.change(record, (current) => ({
      ...current,
      certificates: allRevoked(current.certificates, revokedAt),
    }))
    await follow('revoked in the registry', () => accounts.align(record))
    return must(changed, record)
  }
}

const must = (entry: Entry | undefined, record: DeviceRecord): Entry => {
  if (entry === undefined) throw noDevice(fleetOf(record), record.device)
  return entry
}

const mustUseCertificates = ({ authentication, device, fleet }: DeviceRecord): void => {
  if (authentication === 'Certificate') return
  throw new Problem('conflict', `device ${device} logs in with a password: fleet ${fleet} has no certificates`, {
    next: 'Register the device in a fleet with spec.authentication.mode Certificate.',
  })
}

/** Whether the device may have one more certificate now. @throws Problem */
const mustBeDue = (record: DeviceRecord, delay: ListDelay): void => {
  const { device, disabled } = record
  if (disabled)
    throw new Problem('conflict', `device ${device} is disabled`, { next: 'Enable it, then send the request again.' })
  const held = unexpired(record, delay.now())
  if (held.length >= MAX_CERTIFICATES)
    throw new Problem('conflict', `device ${device} has ${held.length} certificates that have not expired`, {
      next: `Wait until one expires, the first at ${held.map(({ notAfter }) => notAfter).sort()[0]}.`,
    })
  mustBeKnown(record, delay)
}

/** A device of this id may have been removed and registered anew meanwhile, perhaps in another fleet. @throws Problem */
const mustBeSame = (current: DeviceRecord, { fleet, createdAt, device }: DeviceRecord): void => {
  if (current.fleet === fleet && current.createdAt === createdAt) return
  throw new Problem('conflict', `device ${device} was registered anew meanwhile`, {
    next: 'Read it, then decide again.',
  })
}
