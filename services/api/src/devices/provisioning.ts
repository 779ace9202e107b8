/**
 * Devices in the registry and on the broker. The registry is written first, so what the broker holds is never more than it
 * says; when the broker then fails, the registry is put back, and where that fails too the problem says what is left. A crash
 * between the two leaves a device without an account, which the operator reports (CredentialsLost) and a rotation mends.
 *
 * Several replicas may change one device at once. Whoever has written to the broker reads the registry and the fleet's document
 * once more and writes what they say by then, until they say what it wrote: so the last one to write leaves the broker right.
 *
 * A secret exists here for the length of one request: it is returned once and kept as a hash.
 */
import { isDeepStrictEqual } from 'node:util'
import { deviceUser, label, type Ref } from '@fleetloom/crds/names'
import { NO_ACCESS } from '@fleetloom/shared/broker/acl'
import type { Account, AccountResult, Broker } from '@fleetloom/shared/broker/broker'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { deviceAccount } from '@fleetloom/shared/registry/device-account'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import { DeviceExists, type Entry, type Registry, RevisionConflict } from '@fleetloom/shared/registry/registry'
import { hashSecret, newSecret } from '@fleetloom/shared/registry/secret'
import type { Fleets } from '../fleets.ts'
import { Problem, type ProblemKind } from '../http/problem.ts'
import type { DeviceSpec } from './schema.ts'

export type Registered = { readonly entry: Entry; readonly secret: string }
export type Outcome = { readonly ok: Registered } | { readonly problem: Problem }

type Failure = { readonly kind: ProblemKind; readonly reason: string; readonly next: string }

type Parts = {
  readonly registry: Registry
  readonly fleets: Pick<Fleets, 'get' | 'getActive'>
  readonly broker: Broker
  readonly log: Logger
}

type DeviceName = Pick<DeviceRecord, 'namespace' | 'device'>

const fleetOf = ({ namespace, fleet }: DeviceRecord): Ref => ({ namespace, name: fleet })

export class Provisioning {
  readonly #registry: Registry
  readonly #fleets: Parts['fleets']
  readonly #broker: Broker
  readonly #log: Logger

  constructor({ registry, fleets, broker, log }: Parts) {
    this.#registry = registry
    this.#fleets = fleets
    this.#broker = broker
    this.#log = log
  }

  /** Registers devices of one fleet. Each one succeeds or leaves nothing; outcomes are in the order given. */
  async register(fleet: Ref, specs: readonly DeviceSpec[]): Promise<Outcome[]> {
    const outcomes = await Promise.all(specs.map((spec) => this.#enter(fleet, spec)))
    const entered = outcomes.flatMap((outcome) => ('ok' in outcome ? [outcome.ok] : []))
    const failures = await this.#makeAccounts(fleet, entered)
    const problems = new Map<Registered, Problem>()
    await Promise.all(
      [...failures].map(async ([registered, failure]) =>
        problems.set(registered, await this.#undo(registered, failure)),
      ),
    )
    return outcomes.map((outcome) => {
      const problem = 'ok' in outcome ? problems.get(outcome.ok) : undefined
      return problem === undefined ? outcome : { problem }
    })
  }

  /** Refuses the device and ends its session; needs no fleet, so it works whatever state that is in. */
  async disable({ record }: Entry): Promise<Entry> {
    const changed = must(await this.#registry.change(record, (now) => ({ ...now, disabled: true })), record)
    await this.#follow('disabled in the registry', () => this.#align(record))
    return changed
  }

  /** Lets the device in again. */
  async enable({ record }: Entry): Promise<Entry> {
    await this.#fleets.get(fleetOf(record))
    const changed = must(await this.#registry.change(record, (now) => ({ ...now, disabled: false })), record)
    await this.#follow('enabled in the registry', () => this.#align(record))
    return changed
  }

  /** Gives the device a new secret and ends the session that the old one opened. */
  async rotate({ record }: Entry): Promise<Registered> {
    const document = await this.#fleets.get(fleetOf(record))
    const secret = newSecret()
    const hash = hashSecret(secret)
    const changed = must(await this.#registry.change(record, (now) => ({ ...now, secret: hash })), record)
    try {
      const account = deviceAccount(document, changed.record)
      refuse(await this.#broker.put([{ ...account, secret: { plain: secret } }]))
      await this.#align(record, account)
    } catch (error) {
      const putBack = (now: DeviceRecord) => ({ ...now, secret: record.secret })
      await this.#registry.change(record, putBack, changed.revision).catch((fault) => {
        this.#log.error({ err: fault, device: record.device }, 'could not put the old hash back')
      })
      throw new Problem('unavailable', `the secret was not changed: ${messageOf(error)}`, {
        next: 'Rotate again; if the device can not connect meanwhile, its old secret is gone.',
      })
    }
    const now = must(await this.#registry.get(record.namespace, record.device), record)
    if (now.record.secret.hash === hash.hash) return { entry: now, secret }
    throw new Problem('conflict', 'the secret was rotated by another request at the same time', {
      next: 'Rotate again: of the two secrets neither is sure to be the one that the broker has.',
    })
  }

  /** Removes the device and ends its session. Repeating it finishes what a broker that was away left undone. */
  async remove({ record }: Entry, revision?: number): Promise<void> {
    if (record.removedAt === undefined) await this.#registry.remove(record, revision)
    await this.#follow('removed from the registry', async () => {
      const isAnother = (await this.#registry.get(record.namespace, record.device)) !== undefined
      if (!isAnother) refuse(await this.#broker.remove([deviceUser(record.namespace, record.device)]))
    })
  }

  async #enter({ namespace, name: fleet }: Ref, spec: DeviceSpec): Promise<Outcome> {
    const secret = newSecret()
    try {
      return {
        ok: { secret, entry: await this.#registry.create({ namespace, fleet, ...spec, secret: hashSecret(secret) }) },
      }
    } catch (error) {
      return { problem: problemOf(error, spec.device) }
    }
  }

  /** Which accounts could not be made, and why. */
  async #makeAccounts(fleet: Ref, entered: readonly Registered[]): Promise<Map<Registered, Failure>> {
    if (entered.length === 0) return new Map()
    try {
      const document = await this.#fleets.getActive(fleet)
      const accounts = entered.map(({ entry, secret }) => ({
        ...deviceAccount(document, entry.record),
        secret: { plain: secret },
      }))
      const results = await this.#broker.put(accounts)
      const reasons = await Promise.all(
        accounts.map(({ secret: _, ...account }, i) => this.#unmade(entered[i] as Registered, account, results[i])),
      )
      const failed = (reason: string): Failure => ({
        kind: 'conflict',
        reason,
        next: 'Remove the cause, then send it again.',
      })
      return new Map(entered.flatMap((one, i) => (reasons[i] === undefined ? [] : [[one, failed(reasons[i])]])))
    } catch (error) {
      const kind = error instanceof Problem ? error.kind : 'unavailable'
      const reason = messageOf(error)
      return new Map(entered.map((one) => [one, { kind, reason, next: 'Send it again.' }]))
    }
  }

  /** Why the account of a device just entered is not there; undefined when it is. */
  async #unmade({ entry }: Registered, account: Account, result?: AccountResult): Promise<string | undefined> {
    if (result?.error !== undefined) return result.error
    return (await this.#align(entry.record, account)) ? undefined : 'it was removed meanwhile'
  }

  async #undo({ entry }: Registered, { kind, reason, next }: Failure): Promise<Problem> {
    const { device } = entry.record
    try {
      await this.#registry.remove(entry.record, entry.revision)
      return new Problem(kind, `device ${device} was not registered: ${reason}`, { next })
    } catch (error) {
      this.#log.error({ err: error, device }, 'could not take a device out of the registry again')
      return new Problem('unavailable', `device ${device} is registered but has no account: ${reason}`, {
        next: 'Rotate its secret, or delete it and register it again.',
      })
    }
  }

  /**
   * Brings the account to what the registry and the fleet's document say; `held` is what was written just now. False when the
   * device is not there any more, and its account neither.
   */
  async #align(device: DeviceName, held?: Account): Promise<boolean> {
    const wanted = await this.#wanted(device)
    if (wanted !== undefined) {
      if (isDeepStrictEqual(wanted, held)) return true
      await this.#write(wanted)
      return this.#align(device, wanted)
    }
    refuse(await this.#broker.remove([deviceUser(device.namespace, device.device)]))
    return false
  }

  /** The account that the device should have now; undefined when it was removed. */
  async #wanted({ namespace, device }: DeviceName): Promise<Account | undefined> {
    const record = (await this.#registry.get(namespace, device))?.record
    if (record === undefined) return undefined
    const document = record.disabled ? { grants: NO_ACCESS } : await this.#fleets.get(fleetOf(record))
    return deviceAccount(document, record)
  }

  /** Shuts the door before the rest, and opens it after. */
  async #write({ username, acl, disabled }: Account): Promise<void> {
    if (disabled) await this.#broker.setDisabled(username, true)
    refuse(await this.#broker.setAcl([{ username, acl }]))
    if (!disabled) await this.#broker.setDisabled(username, false)
  }

  /** Brings the broker after the registry; what fails here the operator does later. */
  async #follow(done: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      throw new Problem('unavailable', `${done}, but not yet on the broker: ${messageOf(error)}`, {
        next: 'The operator brings the broker after it; to have it at once, send it again.',
      })
    }
  }
}

const must = (entry: Entry | undefined, { namespace, device }: DeviceRecord): Entry => {
  if (entry !== undefined) return entry
  throw noDevice({ namespace, name: '' }, device)
}

/** The problem of a device that is not in this fleet. */
export const noDevice = (fleet: Ref, device: string): Problem =>
  new Problem('not-found', `there is no device ${device} in ${fleet.name === '' ? fleet.namespace : label(fleet)}`, {
    errors: [{ field: 'device', value: device, reason: 'not registered in this fleet' }],
    next: 'List the devices of the fleet; ids are unique in a namespace.',
  })

const refuse = (results: readonly AccountResult[]): void => {
  const error = results.find((result) => result.error !== undefined)?.error
  if (error !== undefined) throw new Error(error)
}

/** What to tell of a registry error; others are thrown on. */
const problemOf = (error: unknown, device: string): Problem => {
  if (error instanceof DeviceExists)
    return new Problem('device-exists', error.message, {
      errors: [{ field: 'device', value: device, reason: `taken by fleet ${error.fleet}` }],
      next: 'Choose another id, or delete that device first.',
    })
  if (error instanceof RevisionConflict) return new Problem('conflict', error.message, { next: 'Send it again.' })
  return new Problem('unavailable', `device ${device} was not registered: ${messageOf(error)}`, {
    next: 'Send it again.',
  })
}
