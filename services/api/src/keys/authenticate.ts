/** Who may do what: every route under `/v1` first asks for a key, then for its verb in the path's namespace. */
import type { MiddlewareHandler } from 'hono'
import type { ApiEnv } from '../http/env.ts'
import { Problem } from '../http/problem.ts'
import { type ApiKey, allows, isAdmin, type Verb } from './key.ts'
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

/** Passes admin keys. */
export const allowAdmin: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (!isAdmin(keyOf(c.get('key'))))
    throw new Problem('forbidden', 'only an admin key manages keys', {
      next: 'Use a key with * for namespaces and verbs.',
    })
  await next()
}
