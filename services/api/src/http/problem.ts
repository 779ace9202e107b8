/**
 * Errors as RFC 9457 problem documents. Beyond the standard members: `errors` (field, the value given, reason for each fault),
 * `next` (what to do), `requestId` (find it in the log). The type is `urn:fleetloom:problem:<kind>`.
 */
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { z } from 'zod'

/** Every kind of problem, with its status and title. */
const KINDS = {
  'invalid-request': [400, 'The request breaks a rule'],
  unauthenticated: [401, 'A valid key is needed'],
  forbidden: [403, 'The key does not allow this'],
  'not-found': [404, 'There is no such thing'],
  'fleet-not-found': [404, 'There is no such fleet'],
  'device-exists': [409, 'The device id is taken'],
  conflict: [409, 'It does not fit the present state'],
  'revision-changed': [412, 'It was changed meanwhile'],
  'too-large': [413, 'The body is too large'],
  'unsupported-media-type': [415, 'The content type is not supported'],
  busy: [429, 'Too much is going on at once'],
  unavailable: [503, 'A system behind the API does not answer'],
  'not-configured': [501, 'This is not set up'],
  internal: [500, 'Internal error'],
} as const satisfies Record<string, readonly [ContentfulStatusCode, string]>

export type ProblemKind = keyof typeof KINDS

export type Fault = {
  readonly field: string
  readonly value?: unknown
  readonly reason: string
  /** Where in a text, from 1. */
  readonly line?: number
  readonly column?: number
}

type Extra = { readonly errors?: readonly Fault[]; readonly next?: string; readonly retryAfterSeconds?: number }

export class Problem extends Error {
  override name = 'Problem'
  readonly kind: ProblemKind
  readonly extra: Extra

  constructor(kind: ProblemKind, detail: string, extra: Extra = {}) {
    super(detail)
    this.kind = kind
    this.extra = extra
  }

  get status(): ContentfulStatusCode {
    return KINDS[this.kind][0]
  }

  toJSON() {
    const [status, title] = KINDS[this.kind]
    return { type: `urn:fleetloom:problem:${this.kind}`, title, status, detail: this.message, ...this.extra }
  }
}

export const problemResponse = (c: Context, problem: Problem): Response => {
  if (problem.status === 401) c.header('www-authenticate', 'Bearer realm="fleetloom"')
  if (problem.extra.retryAfterSeconds !== undefined) c.header('retry-after', String(problem.extra.retryAfterSeconds))
  c.header('content-type', 'application/problem+json')
  return c.body(JSON.stringify({ ...problem.toJSON(), requestId: c.get('requestId') }), problem.status)
}

const LONGEST_VALUE = 100
/** Faults that one problem names: a body of 64 KiB can hold thousands. */
const MOST_FAULTS = 20

/** What was given at `path`, cut short; absent where it holds more than one value. */
const valueAt = (input: unknown, path: readonly PropertyKey[]): { value?: unknown } => {
  const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], input)
  if (value === undefined || (typeof value === 'object' && value !== null)) return {}
  return { value: typeof value === 'string' ? value.slice(0, LONGEST_VALUE) : value }
}

const fieldOf = (path: readonly PropertyKey[]): string => path.map(String).join('.')

const faultsOf = (issue: z.core.$ZodIssue, input: unknown): Fault[] => {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ field: fieldOf([...issue.path, key]), reason: 'there is no such field' }))
  if (issue.code === 'invalid_key')
    return [{ field: fieldOf(issue.path), reason: issue.issues[0]?.message ?? issue.message }]
  return [{ field: fieldOf(issue.path), ...valueAt(input, issue.path), reason: issue.message }]
}

/** What a schema says against `input`. `prefix` names the part of the request. */
export const invalid = (part: string, error: z.ZodError, input: unknown): Problem => {
  const all = error.issues.flatMap((issue) => faultsOf(issue, input))
  const errors = all.slice(0, MOST_FAULTS)
  const named = errors.map(({ field, reason }) => (field === '' ? reason : `${field}: ${reason}`)).join('; ')
  const detail = all.length > errors.length ? `${named}; and ${all.length - errors.length} more` : named
  return new Problem('invalid-request', `${part}: ${detail}`, {
    errors,
    next: 'Correct the fields named and send it again.',
  })
}
