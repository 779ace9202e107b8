import { setImmediate } from 'node:timers/promises'
import { instant } from '@fleetloom/shared/alerts/instant'
import { type Acknowledgement, firingSince } from '@fleetloom/shared/alerts/records'
import { isActive } from '@fleetloom/shared/alerts/silence'
import { type ReadySilence, silenceFor } from '@fleetloom/shared/alerts/silencing'
import type { Query } from '@fleetloom/shared/questdb/query'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { rowsOf } from '../database.ts'
import { parseWith, readJson, readQuery, requireMediaType } from '../http/body.ts'
import type { ApiEnv } from '../http/env.ts'
import { deviceId, namespaceName, tokenOf } from '../http/params.ts'
import { Problem } from '../http/problem.ts'
import { allow, allowSomewhere, keyIdOf, scopeOf } from '../keys/authenticate.ts'
import type { Firing, FiringAlerts } from './firing.ts'
import { historyPage, historySql } from './history.ts'
import { acknowledgeBody, firingQuery, historyQuery, newSilence, ruleName, silencesQuery } from './schema.ts'
import type { SilenceStore } from './silences.ts'

export type AlertParts = {
  readonly alerts: {
    readonly firing: Pick<FiringAlerts, 'list' | 'get' | 'acknowledge'>
    readonly silences: Pick<SilenceStore, 'list' | 'ready' | 'create' | 'end'>
    /** Undefined while no database is set up. */
    readonly query: Query | undefined
    readonly table: string
  }
}

const alertPath = z.object({ namespace: namespaceName, rule: ruleName, device: deviceId })
const namespacePath = z.object({ namespace: namespaceName })

const namespaceOf = (c: Context): string => parseWith(namespacePath, c.req.param(), 'path').namespace

const acknowledgedView = ({ author, keyId, comment, at }: Acknowledgement) => ({
  author,
  ...(keyId === undefined ? {} : { keyId }),
  ...{ comment, at },
})

/** An alert as the API shows it. Who is told is left out: addresses may hold secrets. */
const viewOf = ({ alert, acknowledged }: Firing, silences: readonly ReadySilence[]) => {
  const { id, namespace, fleet, rule, device, severity, value, labels, annotations } = alert
  const silence = silenceFor(silences, alert, Date.now())
  return {
    ...{ id, namespace, fleet, rule, device, severity, ...(value === undefined ? {} : { value }) },
    firingSince: instant(firingSince(alert)),
    ...{ labels, annotations },
    ...(acknowledged && { acknowledged: acknowledgedView(acknowledged) }),
    ...(silence && { silencedBy: silence.id }),
  }
}

/** Views of alerts of any namespaces. Others have their turn between them, as patterns of silences may take their time. */
const views = async ({ silences }: AlertParts['alerts'], alerts: readonly Firing[]) => {
  const namespaces = [...new Set(alerts.map(({ alert }) => alert.namespace))]
  const ready = await Promise.all(namespaces.map(async (one) => [one, await silences.ready(one)] as const))
  const byNamespace = new Map(ready)
  const shown: ReturnType<typeof viewOf>[] = []
  for (const one of alerts) {
    await setImmediate()
    shown.push(viewOf(one, byNamespace.get(one.alert.namespace) ?? []))
  }
  return shown
}

/** `/v1/alerts`: of all namespaces that the key may see. */
export const alertRoutes = ({ alerts }: AlertParts): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/', allowSomewhere('alerts:read'), async (c) => {
      const query = readQuery(c, firingQuery)
      const page = await alerts.firing.list(scopeOf(c, 'alerts:read', query.namespace), query)
      return c.json({ items: await views(alerts, page.alerts), ...tokenOf(page.next) })
    })
    .get('/history', allowSomewhere('alerts:read'), async (c) => {
      const query = readQuery(c, historyQuery)
      const sql = historySql(alerts.table, scopeOf(c, 'alerts:read', query.namespace), query)
      return c.json(historyPage(await rowsOf(alerts.query, sql), query.limit))
    })

/** `/v1/namespaces/:namespace/alerts` */
export const namespaceAlertRoutes = ({ alerts }: AlertParts): Hono<ApiEnv> =>
  new Hono<ApiEnv>().post('/:rule/:device/acknowledge', allow('alerts:write'), async (c) => {
    requireMediaType(c, 'application/json')
    const ref = parseWith(alertPath, c.req.param(), 'path')
    const body = await readJson(c, acknowledgeBody)
    const found = await alerts.firing.get(ref)
    if (found === undefined)
      throw new Problem('not-found', `rule ${ref.rule} does not fire for ${ref.device} in namespace ${ref.namespace}`, {
        next: 'GET /v1/alerts lists what fires.',
      })
    const acknowledged = await alerts.firing.acknowledge(found.alert, {
      ...{ ...body, keyId: keyIdOf(c), at: new Date().toISOString() },
    })
    return c.json((await views(alerts, [acknowledged]))[0])
  })

/** `/v1/namespaces/:namespace/silences` */
export const silenceRoutes = ({ alerts: { silences } }: AlertParts): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/', allow('alerts:read'), async (c) => {
      const { active } = readQuery(c, silencesQuery)
      const now = Date.now()
      const all = (await silences.list(namespaceOf(c))).map((one) => ({ ...one, active: isActive(one, now) }))
      return c.json({ items: all.filter((one) => active === undefined || one.active === (active === 'true')) })
    })
    .post('/', allow('alerts:write'), async (c) => {
      requireMediaType(c, 'application/json')
      const namespace = namespaceOf(c)
      return c.json(await silences.create(namespace, await readJson(c, newSilence), keyIdOf(c)), 201)
    })
    .delete('/:id', allow('alerts:write'), async (c) => {
      const [namespace, id] = [namespaceOf(c), c.req.param('id')]
      if (await silences.end(namespace, id)) return c.body(null, 204)
      throw new Problem('not-found', `namespace ${namespace} has no silence ${id.slice(0, 40)} that has not ended`, {
        next: 'List the silences of the namespace.',
      })
    })
