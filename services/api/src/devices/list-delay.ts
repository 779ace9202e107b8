/**
 * The time in which brokers may not know yet what was revoked. Until it is over, nothing may give the user name of a revoked
 * certificate rights again: neither its next certificate nor a password, as who holds the old one would be let in with them.
 */
import type { DeviceRecord, IssuedCertificate } from '@fleetloom/shared/registry/device-record'
import { Problem } from '../http/problem.ts'

export type ListDelay = {
  /** After this every broker has loaded a new revocation list. */
  readonly listDelayMs: number
  readonly now: () => Date
}

export const unexpired = ({ certificates }: Pick<DeviceRecord, 'certificates'>, now: Date): IssuedCertificate[] =>
  certificates.filter(({ notAfter }) => Date.parse(notAfter) > now.getTime())

/** @throws Problem that says when to come again, while brokers may not know of the record's last revocation. */
export const mustBeKnown = (record: DeviceRecord, { listDelayMs, now }: ListDelay): void => {
  const at = now()
  const times = unexpired(record, at).map(({ revokedAt }) => (revokedAt === undefined ? 0 : Date.parse(revokedAt)))
  const waitSeconds = Math.ceil((Math.max(0, ...times) + listDelayMs - at.getTime()) / 1000)
  if (waitSeconds <= 0) return
  const { device } = record
  throw new Problem('conflict', `certificates of device ${device} were revoked, and brokers may not know of it yet`, {
    next: `Send the request again in ${waitSeconds} s.`,
    retryAfterSeconds: waitSeconds,
  })
}
