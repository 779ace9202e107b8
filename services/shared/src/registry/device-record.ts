/**
 * A device in the registry: the value under `deviceKey(namespace, device)` in the devices bucket. Written by compare and
 * set on the key's revision, before any change to the broker. A removed device leaves a tombstone, so that an old read can
 * never bring it back.
 */
import { DEVICE_ID } from '@fleetloom/crds/names'
import { z } from 'zod'

const labelName = z
  .string()
  .regex(
    /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
    'a label name is an optional DNS prefix and /, then at most 63 letters, digits, dot, underscore, hyphen',
  )
const labelValue = z
  .string()
  .regex(
    /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/,
    'a label value is at most 63 letters, digits, dot, underscore and hyphen, with a letter or digit at both ends',
  )

/** Labels as in Kubernetes, at most 64. */
export const deviceLabels = z.record(labelName, labelValue).refine((labels) => Object.keys(labels).length <= 64, {
  error: 'at most 64 labels',
})

export const secretHash = z.object({ iterations: z.number().int(), salt: z.string(), hash: z.string() })

export const deviceRecord = z.object({
  version: z.string(),
  namespace: z.string(),
  fleet: z.string(),
  device: z.string().regex(DEVICE_ID),
  type: z.string().max(63),
  labels: deviceLabels,
  displayName: z.string().max(128),
  disabled: z.boolean(),
  secret: secretHash,
  /** RFC 3339. */
  createdAt: z.string(),
  updatedAt: z.string(),
  /** Set on removal: this is a tombstone. */
  removedAt: z.string().optional(),
})

export type DeviceRecord = z.infer<typeof deviceRecord>
