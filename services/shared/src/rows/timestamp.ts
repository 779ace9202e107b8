/**
 * Timestamps of messages, as whole microseconds since the epoch; what is finer is cut off. A number is read from its text,
 * never through a double, so nanoseconds keep every digit that counts. A text is RFC 3339 with a zone
 * (`2026-01-31T12:00:00.25+01:00`); a leap second counts as the second before it.
 */
import type { FleetDocument } from '../pipeline/fleet-document.ts'

export type TimestampUnit = FleetDocument['payload']['timestampUnit']

/** How many decimal places a unit's number moves to become microseconds. */
const PLACES: Readonly<Record<Exclude<TimestampUnit, 'RFC3339'>, number>> = {
  Seconds: 6,
  Milliseconds: 3,
  Microseconds: 0,
  Nanoseconds: -3,
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/

/** Microseconds of a JSON number's text; undefined when it is none or lies beyond ±2⁵³ µs. */
export const microsOfNumber = (text: string, unit: Exclude<TimestampUnit, 'RFC3339'>): number | undefined => {
  const match = NUMBER.exec(text)
  if (!match) return undefined
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const point = whole.length + Number(exponent) + PLACES[unit]
  const digits = whole + fraction
  if (point > digits.length + 16) return /^0*$/.test(digits) ? 0 : undefined
  const kept = point <= 0 ? '0' : digits.padEnd(point, '0').slice(0, point)
  const micros = Number(kept)
  if (!Number.isSafeInteger(micros)) return undefined
  const cut = /[1-9]/.test(digits.slice(Math.max(point, 0)))
  return sign === '-' ? 0 - micros - (cut ? 1 : 0) : micros
}

const daysIn = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate()

const inRange = (parts: readonly number[]): boolean => {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return false
  return hour <= 23 && minute <= 59 && second <= 60
}

/** Microseconds of an RFC 3339 text; undefined when it is none. */
export const microsOfText = (text: string): number | undefined => {
  const match = RFC3339.exec(text)
  if (!match) return undefined
  const parts = match.slice(1, 7).map(Number)
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  const offset = [Number(match[9] ?? 0), Number(match[10] ?? 0)] as const
  if (year < 1000 || !inRange(parts) || offset[0] > 23 || offset[1] > 59) return undefined
  const seconds = Date.UTC(year, month - 1, day, hour, minute, Math.min(second, 59)) / 1000
  const shift = (offset[0] * 3600 + offset[1] * 60) * (match[8] === '-' ? -1 : 1)
  const fraction = Number((match[7] ?? '').padEnd(6, '0').slice(0, 6))
  return (seconds - shift) * 1e6 + fraction
}
