import { deviceUser } from '@fleetloom/crds/names'
import { deviceLabels } from '@fleetloom/shared/registry/device-record'
import type { Entry } from '@fleetloom/shared/registry/registry'
import { z } from 'zod'
import { continueToken, deviceId, pageLimit } from '../http/params.ts'
import { labelSelector } from './label-selector.ts'

const type = z.string().max(63)
const displayName = z.string().max(128)

/** A device to register: the body of a POST, and each line of NDJSON. */
export const newDevice = z.strictObject({
  device: deviceId.describe('id, unique in the namespace'),
  type: type.default('').describe('what kind of device it is'),
  labels: deviceLabels.default({}).describe('labels, as in Kubernetes'),
  displayName: displayName.default('').describe('name for people'),
})

export type DeviceSpec = z.infer<typeof newDevice>

/** JSON merge patch (RFC 7396): null removes a label, and clears a text. */
export const devicePatch = z.strictObject({
  type: type.nullable().optional(),
  labels: z.record(z.string(), z.string().nullable()).nullable().optional(),
  displayName: displayName.nullable().optional(),
})

export type DevicePatch = z.infer<typeof devicePatch>

export const listQuery = z.strictObject({
  labelSelector: labelSelector.optional(),
  limit: pageLimit(1000, 100),
  continue: continueToken.optional(),
})

/** A device as the API shows it, but for its presence. */
export const deviceView = ({ record, revision }: Entry) => {
  const { namespace, fleet, device, authentication, type, labels, displayName, disabled, createdAt, updatedAt } = record
  const username = deviceUser(namespace, device)
  return {
    ...{ namespace, fleet, device, username, authentication, type, labels, displayName, disabled },
    ...(authentication === 'Certificate' && { certificates: record.certificates }),
    ...{ createdAt, updatedAt, revision },
  }
}
