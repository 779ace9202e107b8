import { deviceUser } from '@fleetloom/crds/names'
import { aclOf, NO_ACCESS } from '../broker/acl.ts'
import type { Account, Acl } from '../broker/broker.ts'
import type { DeviceRecord } from './device-record.ts'

/** The broker account a registered device should have now. The api makes it and the operator keeps it so. */
export const deviceAccount = (
  document: { readonly grants: Acl },
  { namespace, device, disabled }: Pick<DeviceRecord, 'namespace' | 'device' | 'disabled'>,
): Account => ({
  username: deviceUser(namespace, device),
  acl: disabled ? NO_ACCESS : aclOf(document, device),
  disabled,
})
