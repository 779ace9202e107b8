/**
 * Durations (`500ms`, `5m`, `30d`) and quantities (`256Mi`) as the resources write them: parsers for code, and the same
 * arithmetic as CEL text for the rules of the CRDs. Every unit has a fixed length: a day is 24 h, a year 365 days.
 */

const MS = 1
const SECOND = 1000 * MS
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Milliseconds of each unit of a duration. */
export const DURATION_UNITS = { ms: MS, s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY, y: 365 * DAY } as const

/** Bytes of each unit of a quantity; without a unit it counts bytes. */
export const QUANTITY_UNITS = {
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
} as const

export const DURATION = /^(0|[1-9][0-9]{0,4})(ms|s|m|h|d|w|y)$/
export const DURATION_LENGTH = 7
export const QUANTITY = /^(0|[1-9][0-9]{0,11}|[1-9][0-9]{0,3}(k|M|G|Ki|Mi|Gi)|[1-9][0-9]{0,2}(T|Ti))$/
export const QUANTITY_LENGTH = 12

/**
 * Milliseconds of a duration such as `30d`, always a safe integer.
 * @throws RangeError when the text is not a duration.
 */
export const durationMs = (text: string): number => {
  const [, count, unit] = DURATION.exec(text) ?? []
  if (count === undefined)
    throw new RangeError(`${JSON.stringify(text)} is not a duration such as 500ms, 5m, 1h or 30d`)
  return Number(count) * DURATION_UNITS[unit as keyof typeof DURATION_UNITS]
}

/**
 * Bytes of a quantity such as `256Mi` or `1000000`, always a safe integer.
 * @throws RangeError when the text is not a quantity.
 */
export const quantityBytes = (text: string): number => {
  if (!QUANTITY.test(text))
    throw new RangeError(`${JSON.stringify(text)} is not a quantity such as 512Ki, 256Mi or 1Gi`)
  const [, count, unit] = /^([0-9]+)(.*)$/.exec(text) as unknown as [string, string, string]
  return Number(count) * (unit === '' ? 1 : QUANTITY_UNITS[unit as keyof typeof QUANTITY_UNITS])
}

/** CEL for the milliseconds of the duration that the CEL expression `text` gives. */
export const celMs = (text: string): string => {
  const { ms: _, ...units } = DURATION_UNITS
  const table = Object.entries(units).map(([unit, ms]) => `'${unit}': ${ms}`)
  const head = (cut: number) => `int(${text}.substring(0, ${text}.size() - ${cut}))`
  return `(${text}.endsWith('ms') ? ${head(2)} : ${head(1)} * {${table.join(', ')}}[${text}.substring(${text}.size() - 1)])`
}

/** CEL for the bytes of the quantity that the CEL expression `text` gives. */
export const celBytes = (text: string): string => {
  const { Ki, Mi, Gi, Ti, ...decimal } = QUANTITY_UNITS
  const head = (cut: number) => `int(${text}.substring(0, ${text}.size() - ${cut}))`
  const table = (units: Record<string, number>) =>
    `{${Object.entries(units)
      .map(([unit, bytes]) => `'${unit}': ${bytes}`)
      .join(', ')}}`
  const last = `${text}.substring(${text}.size() - 1)`
  const binary = `${head(2)} * ${table({ K: Ki, M: Mi, G: Gi, T: Ti })}[${text}.substring(${text}.size() - 2, ${text}.size() - 1)]`
  return `(${text}.endsWith('i') ? ${binary} : ${text}.matches('[0-9]$') ? int(${text}) : ${head(1)} * ${table(decimal)}[${last}])`
}
