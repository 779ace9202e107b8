/** The API as one Hono app: health, metrics and the revocation list are open, everything else asks for a key. Errors are problem documents. */

import { BrokerUnavailable } from '@fleetloom/shared/broker/broker'
import { type ReadyChecks, readinessOf } from '@fleetloom/shared/process/http'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { RevisionConflict } from '@fleetloom/shared/registry/registry'
import { JetStreamError } from '@nats-io/jetstream'
import { errors as natsErrors } from '@nats-io/nats-core'
import { Hono } from 'hono'
import type { Registry as Metrics } from 'prom-client'
import { type AlertParts, alertRoutes, namespaceAlertRoutes, silenceRoutes } from './alerts/routes.ts'
import { deviceCaRoutes, type RevocationParts } from './certificates/routes.ts'
import { type DeadLetterParts, deadLetterRoutes } from './dead-letters/routes.ts'
import { type DeviceParts, deviceRoutes } from './devices/routes.ts'
import { type DryRunParts, dryRunRoutes } from './dry-run/routes.ts'
import { type EventParts, eventRoutes } from './events/routes.ts'
import type { ApiEnv } from './http/env.ts'
import { observe } from './http/observe.ts'
import { Problem, problemResponse } from './http/problem.ts'
import { authenticate } from './keys/authenticate.ts'
import { keyRoutes } from './keys/routes.ts'
import type { Keys } from './keys/store.ts'

export type AppParts = DeviceParts &
  DeadLetterParts &
  AlertParts &
  EventParts &
  DryRunParts & {
    readonly revocation: RevocationParts
    readonly keys: Keys
    readonly checks: ReadyChecks
    readonly metrics: Metrics
    readonly log: Logger
  }

const FLEET = '/namespaces/:namespace/fleets/:fleet'

/** Everything below `/v1` that asks for a key. */
const resourcesOf = (parts: AppParts): Readonly<Record<string, Hono<ApiEnv>>> => ({
  '/keys': keyRoutes(parts.keys),
  '/alerts': alertRoutes(parts),
  '/alert-rules': dryRunRoutes(parts),
  '/namespaces/:namespace/alerts': namespaceAlertRoutes(parts),
  '/namespaces/:namespace/silences': silenceRoutes(parts),
  [`${FLEET}/devices`]: deviceRoutes(parts),
  [`${FLEET}/events`]: eventRoutes(parts),
  [`${FLEET}/dead-letters`]: deadLetterRoutes(parts),
})

export const createApp = (parts: AppParts): Hono<ApiEnv> => {
  const { keys, checks, metrics, log, revocation } = parts
  const readiness = readinessOf(checks)
  const resources = resourcesOf(parts)
  const v1 = new Hono<ApiEnv>()
  for (const [root, routes] of Object.entries(resources)) v1.route(root, routes)
  const roots = ['/device-ca', ...Object.keys(resources)]
  return new Hono<ApiEnv>()
    .use(observe(metrics, log))
    .get('/healthz', (c) => c.json({ alive: true }))
    .get('/readyz', async (c) => {
      const result = await readiness()
      return c.json(result, result.ready ? 200 : 503)
    })
    .get('/metrics', async (c) => c.body(await metrics.metrics(), 200, { 'content-type': metrics.contentType }))
    .route('/v1/device-ca', deviceCaRoutes(revocation))
    .use(authenticate(keys))
    .route('/v1', v1)
    .notFound((c) => problemResponse(c, noRoute(c.req.method, c.req.path, roots)))
    .onError((error, c) => problemResponse(c, problemOf(error, log)))
}

const noRoute = (method: string, path: string, roots: readonly string[]): Problem => {
  const named = roots.map((root) => `/v1${root.replaceAll(/:(\w+)/g, '{$1}')}`).sort()
  return new Problem('not-found', `there is no ${method} ${path.slice(0, 200)}`, {
    next: `Its resources are ${named.join(', ')}.`,
  })
}

const UNAVAILABLE = [
  BrokerUnavailable,
  JetStreamError,
  natsErrors.ClosedConnectionError,
  natsErrors.DrainingConnectionError,
  natsErrors.NoRespondersError,
  natsErrors.RequestError,
  natsErrors.TimeoutError,
]

/** What the caller may know of any error; the rest goes to the log. */
const problemOf = (error: Error, log: Logger): Problem => {
  if (error instanceof Problem) return error
  if (error instanceof RevisionConflict)
    return new Problem('revision-changed', error.message, { next: 'Read it again and repeat the change.' })
  log.error({ err: error }, 'request failed')
  if (UNAVAILABLE.some((kind) => error instanceof kind))
    return new Problem('unavailable', `a system behind the API does not answer: ${messageOf(error)}`, {
      next: 'Send it again in a while; GET /readyz says which one it is.',
    })
  return new Problem('internal', 'the API failed; the log names the cause under this request id', {
    next: 'Report it with the request id.',
  })
}
