import { label } from '@fleetloom/crds/names'
import { DEAD_LETTER_REASONS, type DeadLetterReason } from '@fleetloom/shared/dead-letters/reasons'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Fleets } from '../fleets.ts'
import { readJson, readQuery } from '../http/body.ts'
import type { ApiEnv } from '../http/env.ts'
import { continueToken, fleetOf, pageLimit, tokenOf } from '../http/params.ts'
import { Problem } from '../http/problem.ts'
import { allow } from '../keys/authenticate.ts'
import { type Letters, letterView } from './letters.ts'
import type { Replay } from './replay.ts'

/** Device ids here are as received, so not always valid ones. */
const filter = z.strictObject({
  device: z.string().max(256).optional(),
  reason: z.enum(Object.keys(DEAD_LETTER_REASONS) as DeadLetterReason[]).optional(),
})

const MOST_REPLAYED = 1000

const listQuery = filter.extend({ limit: pageLimit(500, 50), continue: continueToken.optional() })

const replayBody = z
  .strictObject({
    ids: z.array(z.number().int().positive()).min(1).max(MOST_REPLAYED).optional(),
    filter: filter.optional(),
    limit: z.number().int().min(1).max(MOST_REPLAYED).default(100).describe('letters to replay by filter'),
    continue: continueToken.optional(),
    dryRun: z.boolean().default(false).describe('only say what would happen'),
  })
  .refine(({ ids, filter }) => (ids === undefined) !== (filter === undefined), 'give either ids or filter ({} for all)')

export type DeadLetterParts = {
  readonly letters: Pick<Letters, 'list' | 'get'>
  readonly replay: Pick<Replay, 'byId' | 'byFilter'>
  readonly fleets: Pick<Fleets, 'getActive'>
}

/** `/v1/namespaces/:namespace/fleets/:fleet/dead-letters` */
export const deadLetterRoutes = ({ letters, replay, fleets }: DeadLetterParts): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/', allow('dead-letters:read'), async (c) => {
      const { continue: from, ...query } = readQuery(c, listQuery)
      const page = await letters.list(fleetOf(c), { ...query, from })
      return c.json({ items: page.letters.map(letterView), ...tokenOf(page.next) })
    })
    .post('/replay', allow('dead-letters:replay'), async (c) => {
      const fleet = fleetOf(c)
      const { ids, filter: wanted = {}, limit, continue: from, dryRun } = await readJson(c, replayBody)
      const document = await fleets.getActive(fleet)
      const options = { document, dryRun }
      if (ids !== undefined) return c.json({ dryRun, results: await replay.byId(fleet, ids, options) })
      const { results, next } = await replay.byFilter(fleet, { ...wanted, limit, from }, options)
      return c.json({ dryRun, results, ...tokenOf(next) })
    })
    .get('/:id', allow('dead-letters:read'), async (c) => {
      const fleet = fleetOf(c)
      const id = c.req.param('id')
      const letter = /^[1-9][0-9]{0,15}$/.test(id) ? await letters.get(fleet, Number(id)) : undefined
      if (letter !== undefined) return c.json(letterView(letter))
      throw new Problem('not-found', `fleet ${label(fleet)} has no dead letter ${id.slice(0, 20)}`, {
        errors: [{ field: 'id', value: id.slice(0, 20), reason: 'never there, replayed, or pushed out by newer ones' }],
        next: 'List the dead letters of the fleet.',
      })
    })
