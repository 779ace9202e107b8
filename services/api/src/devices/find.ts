import type { Entry, Registry } from '@fleetloom/shared/registry/registry'
import type { Context } from 'hono'
import { deviceOf, fleetOf } from '../http/params.ts'
import { noDevice } from './provisioning.ts'

/** The device that the path names. @throws Problem */
export const find = async (registry: Pick<Registry, 'get'>, c: Context): Promise<Entry> => {
  const { namespace, device } = deviceOf(c)
  return inFleet(await registry.get(namespace, device), c)
}

/** The entry, if it is of the fleet that the path names. @throws Problem */
export const inFleet = (entry: Entry | undefined, c: Context): Entry => {
  const { fleet, device } = deviceOf(c)
  if (entry?.record.fleet === fleet) return entry
  throw noDevice(fleetOf(c), device)
}
