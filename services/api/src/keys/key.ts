/**
 * API keys: `flk_<id>_<secret>`. The id is public and names the key in logs; the secret is 256 random bits, kept as a salted
 * hash. A key allows its verbs in its namespaces; one with `*` for both is an admin key.
 */
import { randomBytes } from 'node:crypto'
import { secretHash } from '@fleetloom/shared/registry/device-record'
import { z } from 'zod'
import { namespaceName } from '../http/params.ts'

export const VERBS = [
  'devices:read',
  'devices:write',
  'dead-letters:read',
  'dead-letters:replay',
  'alerts:read',
  'alerts:write',
  'alert-rules:dry-run',
  'events:read',
  'events:write',
] as const

export type Verb = (typeof VERBS)[number]

const ALL = '*'

export const keyScope = z.strictObject({
  namespaces: z
    .array(z.union([z.literal(ALL), namespaceName], 'must be a namespace or *'))
    .min(1)
    .max(100),
  verbs: z
    .array(z.enum([ALL, ...VERBS], `must be one of ${[...VERBS, ALL].join(', ')}`))
    .min(1)
    .max(VERBS.length + 1),
})

export const apiKey = z.object({
  version: z.string(),
  id: z.string(),
  name: z.string().max(128),
  ...keyScope.shape,
  secret: secretHash,
  /** RFC 3339. */
  createdAt: z.string(),
})

export type ApiKey = z.infer<typeof apiKey>

const TOKEN = /^flk_([a-z0-9]{4,32})_([A-Za-z0-9_-]{43})$/

export type Token = { readonly id: string; readonly secret: string }

/** The parts of a key; undefined when it is not of our form. */
export const parseToken = (text: string): Token | undefined => {
  const match = TOKEN.exec(text)
  return match ? { id: match[1] as string, secret: match[2] as string } : undefined
}

export const tokenText = ({ id, secret }: Token): string => `flk_${id}_${secret}`

export const newKeyId = (): string => randomBytes(8).toString('hex')

export const isAdmin = ({ namespaces, verbs }: Pick<ApiKey, 'namespaces' | 'verbs'>): boolean =>
  namespaces.includes(ALL) && verbs.includes(ALL)

/** Where the key holds the verb: `*` or the namespaces; undefined where it does nowhere. */
export const namespacesFor = (key: ApiKey, verb: Verb): '*' | readonly string[] | undefined => {
  if (!key.verbs.includes(ALL) && !key.verbs.includes(verb)) return undefined
  return key.namespaces.includes(ALL) ? ALL : key.namespaces
}

export const allows = (key: ApiKey, verb: Verb, namespace: string): boolean =>
  (key.verbs.includes(ALL) || key.verbs.includes(verb)) &&
  (key.namespaces.includes(ALL) || key.namespaces.includes(namespace))
