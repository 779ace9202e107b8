/**
 * Devices in the registry and on the broker. The registry is written first, so what the broker holds is never more than it
 * says; when the broker then fails, the registry is put back, and where that fails too the problem says what is left. A crash
 * between the two leaves a device without an account, which the operator reports (CredentialsLost) and a rotation mends.
 *
 * A secret exists here for the length of one request: it is returned once and kept as a hash.
 */
import { deviceUser, label, type Ref } from '@fleetloom/crds/names'
import { NO_ACCESS } from '@fleetloom/shared/broker/acl'
import type { AccountResult, Broker } from '@fleetloom/shared/broker/broker'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { deviceAccount } from '@fleetloom/shared/registry/device-account'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import { DeviceExists, type Entry, type Registry, RevisionConflict } from '@fleetloom/shared/registry/registry'
import { hashSecret, newSecret } from '@fleetloom/shared/registry/secret'
import { Problem, type ProblemKind } from '../http/problem.ts'
import type { DeviceSpec } from './schema.ts'

export type Registered = { readonly entry: Entry; readonly secret: string }
export type Outcome = { readonly ok: Registered } | { readonly problem: Problem }

type Failure = { readonly kind: ProblemKind; readonly reason: string; readonly next: string }

type Parts = { readonly registry: Registry; readonly broker: Broker; readonly log: Logger }

export class Provisioning {
  readonly #registry: Registry
  readonly #broker: Broker
  readonly #log: Logger

  constructor({ registry, broker, log }: Parts) {
    this.#registry = registry
    this.#broker = broker
    this.#log = log
  }

  /** Registers devices of one fleet. Each one succeeds or leaves nothing; outcomes are in the order given. */
  async register(document: FleetDocument, specs: readonly DeviceSpec[]): Promise<Outcome[]> {
    const outcomes = await Promise.all(specs.map((spec) => this.#enter(document, spec)))
    const entered = outcomes.flatMap((outcome) => ('ok' in outcome ? [outcome.ok] : []))
    const failures = await this.#makeAccounts(document, entered)
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
    const username = deviceUser(record.namespace, record.device)
    await this.#follow('disabled in the registry', async () => {
      await this.#broker.setDisabled(username, true)
      refuse(await this.#broker.setAcl([{ username, acl: NO_ACCESS }]))
    })
    return changed
  }

  /** Lets the device in again. */
  async enable(document: FleetDocument, { record }: Entry): Promise<Entry> {
    const changed = must(await this.#registry.change(record, (now) => ({ ...now, disabled: false })), record)
    const account = deviceAccount(document, changed.record)
    await this.#follow('enabled in the registry', async () => {
      refuse(await this.#broker.setAcl([account]))
      await this.#broker.setDisabled(account.username, false)
    })
    return changed
  }

  /** Gives the device a new secret and ends the session that the old one opened. */
  async rotate(document: FleetDocument, entry: Entry): Promise<Registered> {
    const secret = newSecret()
    const withHash = (hash: DeviceRecord['secret']) => (record: DeviceRecord) => ({ ...record, secret: hash })
    const changed = must(await this.#registry.change(entry.record, withHash(hashSecret(secret))), entry.record)
    try {
      refuse(await this.#broker.put([{ ...deviceAccount(document, changed.record), secret: { plain: secret } }]))
      return { entry: changed, secret }
    } catch (error) {
      await this.#registry.change(entry.record, withHash(entry.record.secret), changed.revision).catch((fault) => {
        this.#log.error({ err: fault, device: entry.record.device }, 'could not put the old hash back')
      })
      throw new Problem('unavailable', `the secret was not changed: ${messageOf(error)}`, {
        next: 'Rotate again; if the device can not connect meanwhile, its old secret is gone.',
      })
    }
  }

  /** Removes the device and ends its session. Repeating it finishes what a broker that was away left undone. */
  async remove({ record }: Entry, revision?: number): Promise<void> {
    if (record.removedAt === undefined) await this.#registry.remove(record, revision)
    await this.#follow('removed from the registry', async () => {
      refuse(await this.#broker.remove([deviceUser(record.namespace, record.device)]))
    })
  }

  async #enter(document: FleetDocument, spec: DeviceSpec): Promise<Outcome> {
    const secret = newSecret()
    const { namespace, name: fleet } = document
    try {
      return {
        ok: { secret, entry: await this.#registry.create({ namespace, fleet, ...spec, secret: hashSecret(secret) }) },
      }
    } catch (error) {
      return { problem: problemOf(error, spec.device) }
    }
  }

  /** Which accounts could not be made, and why. */
  async #makeAccounts(document: FleetDocument, entered: readonly Registered[]): Promise<Map<Registered, Failure>> {
    if (entered.length === 0) return new Map()
    const accounts = entered.map(({ entry, secret }) => ({
      ...deviceAccount(document, entry.record),
      secret: { plain: secret },
    }))
    try {
      const results = await this.#broker.put(accounts)
      const failed = (reason: string): Failure => ({
        kind: 'conflict',
        reason,
        next: 'Remove the cause, then send it again.',
      })
      return new Map(
        entered.flatMap((one, i) => (results[i]?.error === undefined ? [] : [[one, failed(results[i].error)]])),
      )
    } catch (error) {
      const reason = messageOf(error)
      return new Map(entered.map((one) => [one, { kind: 'unavailable', reason, next: 'Send it again.' }]))
    }
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

  /** Brings the broker after the registry; what fails here the operator does later. */
  async #follow(done: string, work: () => Promise<void>): Promise<void> {
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
