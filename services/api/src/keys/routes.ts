import { Hono } from 'hono'
import { z } from 'zod'
import { readJson } from '../http/body.ts'
import type { ApiEnv } from '../http/env.ts'
import { Problem } from '../http/problem.ts'
import { allowAdmin } from './authenticate.ts'
import { type ApiKey, keyScope, tokenText } from './key.ts'
import { type Keys, LastAdminKey } from './store.ts'

const newKey = keyScope.extend({ name: z.string().min(1).max(128) })

const view = ({ id, name, namespaces, verbs, createdAt }: ApiKey) => ({ id, name, namespaces, verbs, createdAt })

/** `/v1/keys`: the key itself is in the answer to its making and nowhere else. */
export const keyRoutes = (keys: Keys): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/', allowAdmin, async (c) => c.json({ items: (await keys.list()).map(view) }))
    .post('/', allowAdmin, async (c) => {
      const scope = await readJson(c, newKey)
      const token = await keys.create(scope)
      if (token === undefined) throw new Problem('conflict', 'the id drawn is taken', { next: 'Send it again.' })
      c.header('cache-control', 'no-store')
      return c.json({ id: token.id, ...scope, key: tokenText(token) }, 201)
    })
    .delete('/:id', allowAdmin, async (c) => {
      const id = c.req.param('id')
      if (!/^[a-z0-9]{4,32}$/.test(id) || !(await removeKey(keys, id)))
        throw new Problem('not-found', `there is no key ${id.slice(0, 32)}`, { next: 'GET /v1/keys lists them.' })
      return c.body(null, 204)
    })

const removeKey = async (keys: Keys, id: string): Promise<boolean> => {
  try {
    return await keys.remove(id)
  } catch (error) {
    if (!(error instanceof LastAdminKey)) throw error
    throw new Problem('conflict', error.message, { next: 'Make another admin key first.' })
  }
}
