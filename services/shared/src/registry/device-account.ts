import { deviceUser } from '@fleetloom/crds/names'
import { aclOf, NO_ACCESS } from '../broker/acl.ts'
import type { Account, Acl, Credential } from '../broker/broker.ts'
import { type DeviceRecord, mayConnect } from './device-record.ts'

/** The broker account a registered device should have now. The api makes it and the operator keeps it so. */
export const deviceAccount = (document: { readonly grants: Acl }, record: DeviceRecord): Account => {
  const { namespace, device } = record
  const disabled = !mayConnect(record)
  return { username: deviceUser(namespace, device), acl: disabled ? NO_ACCESS : aclOf(document, device), disabled }
}

/** What a lost account of the device is made anew with. */
export const storedCredential = ({ authentication, secret }: DeviceRecord): Credential =>
  authentication === 'Certificate' ? { certificate: true } : { hash: secret }
