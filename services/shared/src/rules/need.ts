/**
 * What an expression reads of a device's history. The compiler collects the needs of an expression, the engine keeps one piece of
 * state for equal needs of all rules, and hands the expression a reader for each.
 */

/** Folds over a window. `rate` is the change per second between the first and the last reading in it, `delta` that change. */
export const WINDOW_FOLDS = ['avg', 'min', 'max', 'sum', 'count', 'rate', 'delta', 'stddev'] as const
export type WindowFold = (typeof WINDOW_FOLDS)[number]

export type Need =
  | { readonly fn: 'last'; readonly measurement: string }
  | { readonly fn: WindowFold; readonly measurement: string; readonly windowMs: number }
  /** `q` is 0..1. */
  | { readonly fn: 'percentile'; readonly measurement: string; readonly q: number; readonly windowMs: number }
  | { readonly fn: 'absent'; readonly measurement: string; readonly windowMs: number }
  | { readonly fn: 'anomaly'; readonly measurement: string }
  | { readonly fn: 'offline' }
  | { readonly fn: 'eventCount'; readonly type: string; readonly windowMs: number }
  /** Anomaly of the rate of a type of events. */
  | { readonly fn: 'eventAnomaly'; readonly type: string }

export type Value = number | boolean | string

/** The value of a need for the device with this index, at the time up to which it was judged; undefined while there is none. */
export type Reader = (device: number) => Value | undefined
