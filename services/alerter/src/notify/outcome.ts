/**
 * What became of one attempt to tell a receiver. `retry`: it may take it later, not before `afterMs`. `refused`: it never will.
 */
export type Outcome =
  | { readonly kind: 'sent' }
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs?: number }
  | { readonly kind: 'refused'; readonly reason: string }
