/** What numbered messages carry. A maker gets the message's number and the time of sending in µs since the epoch. */

export type PayloadMaker = (number: number, atMicros: number) => string | Uint8Array

/** Units in which a maker writes timestamps. */
export const TIMESTAMP_DIVISORS = { Seconds: 1_000_000, Milliseconds: 1_000, Microseconds: 1 } as const

export type TimestampUnit = keyof typeof TIMESTAMP_DIVISORS

/** The timestamp's digits; many messages share one, so the last is kept. */
const timestampText = (unit: TimestampUnit): ((atMicros: number) => string) => {
  let last = Number.NaN
  let text = ''
  return (atMicros) => {
    if (atMicros !== last) {
      last = atMicros
      text = String(Math.floor(atMicros / TIMESTAMP_DIVISORS[unit]))
    }
    return text
  }
}

const VARIANTS = Array.from({ length: 1024 }, (_, i) => {
  const phase = (i / 1024) * 2 * Math.PI
  const temperature = (4.5 + 3 * Math.sin(phase)).toFixed(10)
  const humidity = (61.25 + 9 * Math.cos(phase)).toFixed(10)
  return `,"temperature":${temperature},"humidity":${humidity},"battery":`
})

/** About 110 bytes: `ts`, `temperature`, `humidity`, `battery` (the message's number) and the symbol `state`. */
export const objectPayload = (unit: TimestampUnit = 'Milliseconds'): PayloadMaker => {
  const text = timestampText(unit)
  return (number, atMicros) => `{"ts":${text(atMicros)}${VARIANTS[number & 1023]}${number},"state":"ok"}`
}

/** Scalar form with a timestamp: `{"value":<number>,"ts":…}`. */
export const scalarWithTimestamp = (unit: TimestampUnit = 'Milliseconds'): PayloadMaker => {
  const text = timestampText(unit)
  return (number, atMicros) => `{"value":${number},"ts":${text(atMicros)}}`
}

/** Scalar form without one: the bare number. */
export const bareScalar = (): PayloadMaker => (number) => String(number)

export const PAYLOADS = { object: objectPayload, 'scalar-ts': scalarWithTimestamp, scalar: bareScalar } as const

export type PayloadKind = keyof typeof PAYLOADS
