/**
 * The devices' accounts on the broker. Several replicas may change one device at once: whoever has written to the broker reads the
 * registry and the fleet's document once more and writes what they say by then, until they say what it wrote. So the last one to
 * write leaves the broker right.
 */
import { isDeepStrictEqual } from 'node:util'
import { deviceUser, type Ref } from '@fleetloom/crds/names'
import { NO_ACCESS } from '@fleetloom/shared/broker/acl'
import type { Account, AccountResult, Broker, NewAccount } from '@fleetloom/shared/broker/broker'
import { messageOf } from '@fleetloom/shared/process/logger'
import { deviceAccount } from '@fleetloom/shared/registry/device-account'
import { type DeviceRecord, mayConnect } from '@fleetloom/shared/registry/device-record'
import type { Registry } from '@fleetloom/shared/registry/registry'
import type { Fleets } from '../fleets.ts'
import { Problem } from '../http/problem.ts'

export type DeviceName = Pick<DeviceRecord, 'namespace' | 'device'>

export type AccountParts = {
  readonly registry: Pick<Registry, 'get'>
  readonly fleets: Pick<Fleets, 'get'>
  readonly broker: Pick<Broker, 'put' | 'setAcl' | 'setDisabled' | 'remove'>
}

export const fleetOf = ({ namespace, fleet }: DeviceRecord): Ref => ({ namespace, name: fleet })

export class DeviceAccounts {
  readonly #registry: AccountParts['registry']
  readonly #fleets: AccountParts['fleets']
  readonly #broker: AccountParts['broker']

  constructor({ registry, fleets, broker }: AccountParts) {
    this.#registry = registry
    this.#fleets = fleets
    this.#broker = broker
  }

  /** Makes accounts, or gives existing ones a secret; ends their sessions. */
  put(accounts: readonly NewAccount[]): Promise<AccountResult[]> {
    return this.#broker.put(accounts)
  }

  /** The same for one. @throws when the broker refuses it. */
  async putOne(account: NewAccount): Promise<void> {
    refuse(await this.put([account]))
  }

  /**
   * Brings the account to what the registry and the fleet's document say; `held` is what was written just now. False when the
   * device is not there any more, and its account neither.
   */
  async align(device: DeviceName, held?: Account): Promise<boolean> {
    const wanted = await this.#wanted(device)
    if (wanted !== undefined) {
      if (isDeepStrictEqual(wanted, held)) return true
      await this.#write(wanted)
      return this.align(device, wanted)
    }
    await this.#remove(device)
    return false
  }

  /** Removes the account of a device that is not registered (any more). */
  async removeUnregistered(device: DeviceName): Promise<void> {
    const isRegistered = (await this.#registry.get(device.namespace, device.device)) !== undefined
    if (!isRegistered) await this.#remove(device)
  }

  async #remove({ namespace, device }: DeviceName): Promise<void> {
    refuse(await this.#broker.remove([deviceUser(namespace, device)]))
  }

  /** The account that the device should have now; undefined when it was removed. */
  async #wanted({ namespace, device }: DeviceName): Promise<Account | undefined> {
    const record = (await this.#registry.get(namespace, device))?.record
    if (record === undefined) return undefined
    const document = mayConnect(record) ? await this.#fleets.get(fleetOf(record)) : { grants: NO_ACCESS }
    return deviceAccount(document, record)
  }

  /** Shuts the door before the rest, and opens it after. */
  async #write({ username, acl, disabled }: Account): Promise<void> {
    if (disabled) await this.#broker.setDisabled(username, true)
    refuse(await this.#broker.setAcl([{ username, acl }]))
    if (!disabled) await this.#broker.setDisabled(username, false)
  }
}

const refuse = (results: readonly AccountResult[]): void => {
  const error = results.find((result) => result.error !== undefined)?.error
  if (error !== undefined) throw new Error(error)
}

/** Brings the broker after the registry; what fails here the operator does later. @throws Problem */
export const follow = async (done: string, work: () => Promise<unknown>): Promise<void> => {
  try {
    await work()
  } catch (error) {
    throw new Problem('unavailable', `${done}, but not yet on the broker: ${messageOf(error)}`, {
      next: 'The operator brings the broker after it; to have it at once, send it again.',
    })
  }
}
