/** EMQX's texts for times and sizes, as numbers to compare. Its GET answers as it was written: `120m` stays `120m`. */

const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 }
const BYTES: Readonly<Record<string, number>> = { b: 1, kb: 1_024, mb: 1_024 ** 2, gb: 1_024 ** 3 }

const sumOf = (text: string, units: Readonly<Record<string, number>>): number => {
  const parts = [...text.toLowerCase().matchAll(/(\d+(?:\.\d+)?)([a-z]+)/g)]
  if (parts.length === 0) return Number.NaN
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit as string] ?? Number.NaN), 0)
}

/** Seconds of `2h`, `1h30m`, `5000ms`; NaN for anything else. */
export const secondsOf = (text: string): number => sumOf(text, SECONDS)

/** Bytes of `32MB`; a plain number is bytes; NaN for anything else. */
export const bytesOf = (value: string | number): number =>
  typeof value === 'number' || /^\d+$/.test(value) ? Number(value) : sumOf(value, BYTES)
