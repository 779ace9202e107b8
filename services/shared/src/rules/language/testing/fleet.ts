/** What the tests of the language share: a fleet's schema, devices, and readers that answer from a table. */
import type { Need, Value } from '../../need.ts'
import type { DeviceScope, Expression, Schema } from '../expression.ts'

export const SCHEMA: Schema = [
  { name: 'temperature', type: 'Double' },
  { name: 'count', type: 'Long' },
  { name: 'door', type: 'Symbol' },
  { name: 'note', type: 'String' },
  { name: 'on', type: 'Boolean' },
  { name: 'loop', type: 'Double' },
]

export const DEVICE = 'truck-1'
export const LABELS: Readonly<Record<string, string>> = { zone: 'a', 'fleetloom.io/site': 'north' }

export const DEVICES: DeviceScope = { id: () => DEVICE, labels: () => LABELS }

/** A need as it is written in an expression. */
export const callText = (need: Need): string => {
  const { fn, ...rest } = need
  const { measurement, type, q, windowMs } = rest as Readonly<Record<string, string | number | undefined>>
  const texts = [measurement, type && `'${type}'`, q, windowMs && `'${Number(windowMs) / 1000}s'`]
  return `${fn}(${texts.filter((text) => text !== undefined).join(', ')})`
}

/** An expression's result for one device, whose needs have the values of a table. */
export const judge = (
  { needs, bind }: Expression,
  values: Readonly<Record<string, Value | undefined>>,
): boolean | undefined => {
  const readers = needs.map((need) => () => values[callText(need)])
  return bind(readers, DEVICES)(0)
}
