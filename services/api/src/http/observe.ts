/** A request id, an access log line and the duration of each request. Neither holds headers, queries or bodies. */
import { randomUUID } from 'node:crypto'
import type { Logger } from '@fleetloom/shared/process/logger'
import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { Histogram, type Registry } from 'prom-client'
import type { ApiEnv } from './env.ts'

/** Template of the route that answers; `unmatched` keeps the number of label values bounded. */
const templateOf = (c: Parameters<MiddlewareHandler>[0]): string =>
  matchedRoutes(c)
    .filter(({ method }) => method !== 'ALL')
    .at(-1)?.path ?? 'unmatched'

/** A key that somebody put into the path stays out of the log. */
const safePath = (path: string): string => path.replaceAll(/flk_[^/]*/g, 'flk_…').slice(0, 300)

export const observe = (registry: Registry, log: Logger): MiddlewareHandler<ApiEnv> => {
  const duration = new Histogram({
    name: 'fleetloom_api_request_duration_seconds',
    help: 'Time from the request to the begin of its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  })
  return async (c, next) => {
    const started = performance.now()
    const requestId = randomUUID()
    c.set('requestId', requestId)
    c.header('x-request-id', requestId)
    await next()
    const ms = performance.now() - started
    const { method } = c.req
    const path = safePath(c.req.path)
    const route = templateOf(c)
    duration.observe({ method, route, status: c.res.status }, ms / 1000)
    const level = route === 'unmatched' || route.startsWith('/v1') ? 'info' : 'debug'
    log[level](
      { requestId, method, path, route, status: c.res.status, ms: Math.round(ms), key: c.get('key')?.id },
      'request',
    )
  }
}
