/**
 * Compiled parts of an expression. Binding one to readers gives a closure over nothing but numbers and closures, which a device's
 * index runs through. `undefined` is CEL's error: no data, or arithmetic without a finite result. Everything passes it on but
 * `&&`, `||` and the branch that `?:` does not take.
 */
import type { Reader, Value } from '../need.ts'

/** The devices that expressions are judged for, by the index that readers take. */
export type DeviceScope = {
  readonly id: (device: number) => string
  readonly labels: (device: number) => Readonly<Record<string, string>>
}

export type Bound = { readonly readers: readonly Reader[]; readonly scope: DeviceScope }

export type Eval = (device: number) => Value | undefined
export type Code = (bound: Bound) => Eval

export const constant =
  (value: Value): Code =>
  () =>
  () =>
    value

/** The need with this index. */
export const reading =
  (index: number): Code =>
  ({ readers }) => {
    const reader = readers[index]
    if (reader === undefined) throw new RangeError(`there is no reader for need ${index}: ${readers.length} were given`)
    return reader
  }

export const deviceId: Code =
  ({ scope }) =>
  (device) =>
    scope.id(device)

/** A label, by name; undefined where the device has none. */
export const label =
  (name: Code): Code =>
  (bound) => {
    const [nameOf, { labels }] = [name(bound), bound.scope]
    return (device) => {
      const key = nameOf(device)
      const all = labels(device)
      return typeof key === 'string' && Object.hasOwn(all, key) ? all[key] : undefined
    }
  }

export const hasLabel =
  (name: Code): Code =>
  (bound) => {
    const [nameOf, { labels }] = [name(bound), bound.scope]
    return (device) => {
      const key = nameOf(device)
      return typeof key === 'string' ? Object.hasOwn(labels(device), key) : undefined
    }
  }

export const unary =
  (of: Code, apply: (value: Value) => Value | undefined): Code =>
  (bound) => {
    const operand = of(bound)
    return (device) => {
      const value = operand(device)
      return value === undefined ? undefined : apply(value)
    }
  }

export const binary =
  (left: Code, right: Code, apply: (a: Value, b: Value) => Value | undefined): Code =>
  (bound) => {
    const [leftOf, rightOf] = [left(bound), right(bound)]
    return (device) => {
      const a = leftOf(device)
      if (a === undefined) return undefined
      const b = rightOf(device)
      return b === undefined ? undefined : apply(a, b)
    }
  }

/** `&&` with `decisive` false, `||` with true: a decisive side decides whatever the other is. */
export const junction =
  (left: Code, right: Code, decisive: boolean): Code =>
  (bound) => {
    const [leftOf, rightOf] = [left(bound), right(bound)]
    return (device) => {
      const a = leftOf(device)
      if (a === decisive) return decisive
      const b = rightOf(device)
      return a !== undefined || b === decisive ? b : undefined
    }
  }

export const choice =
  (condition: Code, yes: Code, no: Code): Code =>
  (bound) => {
    const [holds, yesOf, noOf] = [condition(bound), yes(bound), no(bound)]
    return (device) => {
      const held = holds(device)
      if (held === undefined) return undefined
      return held ? yesOf(device) : noOf(device)
    }
  }

/** Whether a value is among the items; undefined where one of them is. */
export const membership =
  (of: Code, items: readonly Code[]): Code =>
  (bound) => {
    const operand = of(bound)
    const itemsOf = items.map((item) => item(bound))
    return (device) => {
      const value = operand(device)
      if (value === undefined) return undefined
      let found = false
      for (const itemOf of itemsOf) {
        const item = itemOf(device)
        if (item === undefined) return undefined
        found ||= item === value
      }
      return found
    }
  }
