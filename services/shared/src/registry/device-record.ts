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

/** A certificate that was issued to a device. Kept until it expires, so that it can be revoked. */
export const issuedCertificate = z.object({
  /** Hexadecimal, lower case. */
  serial: z.string().regex(/^[0-9a-f]{1,64}$/),
  /** RFC 3339, as are the others. */
  issuedAt: z.string(),
  notAfter: z.string(),
  revokedAt: z.string().optional(),
})

export type IssuedCertificate = z.infer<typeof issuedCertificate>

/** Certificates of one device that have not expired. */
export const MAX_CERTIFICATES = 32

export const deviceRecord = z.object({
  version: z.string(),
  namespace: z.string(),
  fleet: z.string(),
  device: z.string().regex(DEVICE_ID),
  type: z.string().max(63),
  labels: deviceLabels,
  displayName: z.string().max(128),
  disabled: z.boolean(),
  /** How the device logs in, as its fleet said when it was registered. */
  authentication: z.enum(['Password', 'Certificate']).default('Password'),
  /** With certificates the hash that no secret has. */
  secret: secretHash,
  /** Oldest first. Those of an earlier device of this id stay, revoked. */
  certificates: z.array(issuedCertificate).max(MAX_CERTIFICATES).default([]),
  /** RFC 3339. */
  createdAt: z.string(),
  updatedAt: z.string(),
  /** Set on removal: this is a tombstone. */
  removedAt: z.string().optional(),
})

export type DeviceRecord = z.infer<typeof deviceRecord>

/** Whether the broker lets the device in: it is enabled, and if it needs a certificate it has one that was not revoked. */
export const mayConnect = ({
  disabled,
  authentication,
  certificates,
}: Pick<DeviceRecord, 'disabled' | 'authentication' | 'certificates'>): boolean =>
  !disabled && (authentication === 'Password' || certificates.some(({ revokedAt }) => revokedAt === undefined))

/** The certificates with none left that was not revoked. */
export const allRevoked = (certificates: readonly IssuedCertificate[], revokedAt: string): IssuedCertificate[] =>
  certificates.map((one) => ({ ...one, revokedAt: one.revokedAt ?? revokedAt }))
