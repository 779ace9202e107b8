/**
 * Devices in the registry and on the broker. The registry is written first, so what the broker holds is never more than it
 * says; when the broker then fails, the registry is put back, and where that fails too the problem says what is left. A crash
 * between the two leaves a device without an account, which the operator reports (CredentialsLost) and a rotation mends.
 *
 * A secret exists here for the length of one request: it is returned once and kept as a hash.
 */
import { deviceUser, label, MAX_COMMON_NAME, type Ref } from '@fleetloom/crds/names'
import { NO_ACCESS } from '@fleetloom/shared/broker/acl'
import type { Account, AccountResult, Acl, Credential } from '@fleetloom/shared/broker/broker'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { deviceAccount } from '@fleetloom/shared/registry/device-account'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import { DeviceExists, type Entry, type Registry, RevisionConflict } from '@fleetloom/shared/registry/registry'
import { hashSecret, NO_SECRET, newSecret } from '@fleetloom/shared/registry/secret'
import type { Fleets } from '../fleets.ts'
import { Problem, type ProblemKind } from '../http/problem.ts'
import { type DeviceAccounts, fleetOf, follow } from './accounts.ts'
import { type ListDelay, mustBeKnown } from './list-delay.ts'
import type { DeviceSpec } from './schema.ts'

/** Without a secret where the device logs in with a certificate. */
export type Registered = { readonly entry: Entry; readonly secret: string | undefined }
export type Outcome = { readonly ok: Registered } | { readonly problem: Problem }

type Failure = { readonly kind: ProblemKind; readonly reason: string; readonly next: string }

type Parts = ListDelay & {
  readonly registry: Registry
  readonly fleets: Pick<Fleets, 'get' | 'getActive'>
  readonly accounts: DeviceAccounts
  readonly log: Logger
}

type Mode = DeviceRecord['authentication']

const credentialOf = ({ secret }: Registered): Credential =>
  secret === undefined ? { certificate: true } : { plain: secret }

/** Shut at first where an earlier device of this id had certificates: who is still there with one of them is thrown out. */
const firstAccount = (document: { readonly grants: Acl }, record: DeviceRecord): Account => {
  const account = deviceAccount(document, record)
  return record.certificates.length === 0 ? account : { ...account, acl: NO_ACCESS, disabled: true }
}

export class Provisioning {
  readonly #registry: Registry
  readonly #fleets: Parts['fleets']
  readonly #accounts: DeviceAccounts
  readonly #log: Logger
  readonly #delay: ListDelay

  constructor({ registry, fleets, accounts, log, ...delay }: Parts) {
    this.#registry = registry
    this.#fleets = fleets
    this.#accounts = accounts
    this.#log = log
    this.#delay = delay
  }

  /** Registers devices of one fleet. Each one succeeds or leaves nothing; outcomes are in the order given. */
  async register(fleet: Ref, specs: readonly DeviceSpec[]): Promise<Outcome[]> {
    const mode = await this.#modeOf(fleet)
    if (typeof mode !== 'string') return specs.map(() => mode)
    const outcomes = await Promise.all(specs.map((spec) => this.#enter(fleet, mode, spec)))
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
    await follow('disabled in the registry', () => this.#accounts.align(record))
    return changed
  }

  /** Lets the device in again. */
  async enable({ record }: Entry): Promise<Entry> {
    await this.#fleets.get(fleetOf(record))
    const changed = must(await this.#registry.change(record, (now) => ({ ...now, disabled: false })), record)
    await follow('enabled in the registry', () => this.#accounts.align(record))
    return changed
  }

  /** Gives the device a new secret and ends the session that the old one opened. */
  async rotate({ record }: Entry): Promise<Registered & { readonly secret: string }> {
    if (record.authentication === 'Certificate') throw hasNoSecret(record)
    const document = await this.#fleets.get(fleetOf(record))
    const secret = newSecret()
    const hash = hashSecret(secret)
    const changed = must(await this.#registry.change(record, (now) => ({ ...now, secret: hash })), record)
    try {
      const account = deviceAccount(document, changed.record)
      await this.#accounts.putOne({ ...account, secret: { plain: secret } })
      await this.#accounts.align(record, account)
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
    await follow('removed from the registry', () => this.#accounts.removeUnregistered(record))
  }

  async #modeOf(fleet: Ref): Promise<Mode | { readonly problem: Problem }> {
    try {
      return (await this.#fleets.getActive(fleet)).authentication
    } catch (error) {
      if (error instanceof Problem) return { problem: error }
      return { problem: new Problem('unavailable', messageOf(error), { next: 'Send it again.' }) }
    }
  }

  async #enter({ namespace, name: fleet }: Ref, authentication: Mode, spec: DeviceSpec): Promise<Outcome> {
    if (authentication === 'Certificate' && deviceUser(namespace, spec.device).length > MAX_COMMON_NAME)
      return { problem: tooLongForCertificate(namespace, spec.device) }
    const plain = authentication === 'Password' ? newSecret() : undefined
    const secret = plain === undefined ? NO_SECRET : hashSecret(plain)
    const mayFollow = (earlier: DeviceRecord) => authentication === 'Certificate' || mustBeKnown(earlier, this.#delay)
    try {
      const entry = await this.#registry.create({ namespace, fleet, ...spec, authentication, secret }, mayFollow)
      return { ok: { secret: plain, entry } }
    } catch (error) {
      return { problem: problemOf(error, spec.device) }
    }
  }

  /** Which accounts could not be made, and why. */
  async #makeAccounts(fleet: Ref, entered: readonly Registered[]): Promise<Map<Registered, Failure>> {
    if (entered.length === 0) return new Map()
    try {
      const document = await this.#fleets.getActive(fleet)
      const accounts = entered.map((one) => ({
        ...firstAccount(document, one.entry.record),
        secret: credentialOf(one),
      }))
      const results = await this.#accounts.put(accounts)
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
    return (await this.#accounts.align(entry.record, account)) ? undefined : 'it was removed meanwhile'
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
}

const must = (entry: Entry | undefined, { namespace, device }: DeviceRecord): Entry => {
  if (entry !== undefined) return entry
  throw noDevice({ namespace, name: '' }, device)
}

const tooLongForCertificate = (namespace: string, device: string): Problem => {
  const most = MAX_COMMON_NAME - namespace.length - 1
  const reason = `must have at most ${most} characters: with its namespace it is the common name of a certificate, which holds ${MAX_COMMON_NAME}`
  return new Problem('invalid-request', `device: ${reason}`, {
    errors: [{ field: 'device', value: device.slice(0, 100), reason }],
    next: 'Choose a shorter id.',
  })
}

const hasNoSecret = ({ namespace, fleet, device }: DeviceRecord): Problem =>
  new Problem('conflict', `device ${device} has no secret: its fleet logs in with certificates`, {
    next: `Send a certificate request to POST ${certificatePath({ namespace, fleet, device })}.`,
  })

/** Where the device's certificates are signed. */
export const certificatePath = ({
  namespace,
  fleet,
  device,
}: Pick<DeviceRecord, 'namespace' | 'fleet' | 'device'>): string =>
  `/v1/namespaces/${namespace}/fleets/${fleet}/devices/${device}/certificate`

/** The problem of a device that is not in this fleet. */
export const noDevice = (fleet: Ref, device: string): Problem =>
  new Problem('not-found', `there is no device ${device} in ${fleet.name === '' ? fleet.namespace : label(fleet)}`, {
    errors: [{ field: 'device', value: device, reason: 'not registered in this fleet' }],
    next: 'List the devices of the fleet; ids are unique in a namespace.',
  })

/** What to tell of a registry error; others are thrown on. */
const problemOf = (error: unknown, device: string): Problem => {
  if (error instanceof Problem) return error
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
