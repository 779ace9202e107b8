/** Who may do what: every route under `/v1` first asks for a key, then for its verb in the path's namespace. */
import type { Context, MiddlewareHandler } from 'hono'
import type { ApiEnv } from '../http/env.ts'
import { Problem } from '../http/problem.ts'
import { type ApiKey, allows, isAdmin, namespacesFor, type Verb } from './key.ts'
import type { Keys } from './store.ts'

const unauthenticated = (): Problem =>
  new Problem('unauthenticated', 'the request holds no valid key', {
    next: 'Send the header Authorization: Bearer flk_<id>_<secret>.',
  })

/** One answer for no key, a wrong form, an unknown id and a wrong secret. */
export const authenticate =
  (keys: Keys): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    const [scheme, token, rest] = (c.req.header('authorization') ?? '').split(' ')
    const bearer = scheme?.toLowerCase() === 'bearer' && rest === undefined ? token : undefined
    const key = bearer === undefined ? undefined : await keys.authenticate(bearer)
    if (key === undefined) throw unauthenticated()
    c.set('key', key)
    await next()
  }

const keyOf = (key: ApiKey | undefined): ApiKey => {
  if (key === undefined) throw unauthenticated()
  return key
}

/** Id of the key that the request was sent with. It is no secret. */
export const keyIdOf = (c: Context<ApiEnv>): string => keyOf(c.get('key')).id

/** Passes keys that hold `verb` in the namespace that the path names. */
export const allow =
  (verb: Verb): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    const namespace = c.req.param('namespace') ?? ''
    if (!allows(keyOf(c.get('key')), verb, namespace))
      throw new Problem('forbidden', `the key does not hold ${verb} in namespace ${namespace}`, {
        next: 'Ask an administrator for a key with this verb and namespace.',
      })
    await next()
  }

/** Passes keys that hold `verb` anywhere; the handler asks `scopeOf` where. */
export const allowSomewhere =
  (verb: Verb): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    if (namespacesFor(keyOf(c.get('key')), verb) === undefined)
      throw new Problem('forbidden', `the key does not hold ${verb} in any namespace`, {
        next: 'Ask an administrator for a key with this verb.',
      })
    await next()
  }

/** The namespaces that the request may see: the wanted one, or all in which its key holds `verb`. @throws Problem */
export const scopeOf = (c: Context<ApiEnv>, verb: Verb, wanted: string | undefined): '*' | readonly string[] => {
  const key = keyOf(c.get('key'))
  if (wanted === undefined) return namespacesFor(key, verb) ?? []
  if (allows(key, verb, wanted)) return [wanted]
  throw new Problem('forbidden', `the key does not hold ${verb} in namespace ${wanted}`, {
    next: 'Ask an administrator for a key with this verb and namespace.',
  })
}

/** Passes admin keys. */
export const allowAdmin: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (!isAdmin(keyOf(c.get('key'))))
    throw new Problem('forbidden', 'only an admin key manages keys', {
      next: 'Use a key with * for namespaces and verbs.',
    })
  await next()
}
