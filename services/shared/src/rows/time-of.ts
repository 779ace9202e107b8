/** The time of a message by its fleet's rules. */
import type { FleetDocument } from '../pipeline/fleet-document.ts'
import { type Rejection, reject } from './rejection.ts'
import { microsOfNumber, microsOfText } from './timestamp.ts'

type Rules = Pick<FleetDocument['payload'], 'timestampField' | 'timestampUnit' | 'acceptPastMs' | 'acceptFutureMs'>

/** What the timestamp field of a message holds, and how it is written there. */
export type Stamp = { readonly value: unknown; readonly source: string }

const microsOf = ({ timestampUnit }: Rules, { value, source }: Stamp): number | undefined => {
  if (timestampUnit === 'RFC3339') return typeof value === 'string' ? microsOfText(value) : undefined
  return typeof value === 'number' ? microsOfNumber(source, timestampUnit) : undefined
}

const secondsText = (micros: number): string => `${(micros / 1e6).toFixed(1)} s`

/** µs since the epoch, or why a message that arrived at `arrivalMicros` may not have this time. */
export const timeOf = (rules: Rules, arrivalMicros: number, stamp: Stamp): { readonly micros: number } | Rejection => {
  const { timestampField, timestampUnit, acceptPastMs, acceptFutureMs } = rules
  const micros = microsOf(rules, stamp)
  if (micros === undefined)
    return reject('invalid_timestamp', timestampField, `not a time in ${timestampUnit}: ${stamp.source.slice(0, 64)}`)
  const age = arrivalMicros - micros
  if (age > acceptPastMs * 1000)
    return reject('timestamp_too_old', timestampField, `${secondsText(age)} before it arrived`)
  if (-age > acceptFutureMs * 1000)
    return reject('timestamp_too_new', timestampField, `${secondsText(-age)} after it arrived`)
  return { micros }
}
