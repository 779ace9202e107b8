import { label, type Ref } from '@fleetloom/crds/names'
import type { Export } from '@fleetloom/shared/questdb/export'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import type { Registry } from '@fleetloom/shared/registry/registry'
import { selectorMatches } from '@fleetloom/shared/rules/language/selector'
import { Hono } from 'hono'
import { answered, needed } from '../database.ts'
import type { Fleets } from '../fleets.ts'
import { readJson, requireMediaType } from '../http/body.ts'
import type { ApiEnv } from '../http/env.ts'
import { Problem } from '../http/problem.ts'
import { allowSomewhere, keyIdOf, scopeOf } from '../keys/authenticate.ts'
import { BOUNDS, type DryRunResult, dryRun } from './dry-run.ts'
import type { Watched } from './replay.ts'
import { type DryRunBody, dryRunBody } from './schema.ts'
import { storedEntries } from './stored.ts'
import { type Trial, trialOf } from './trial.ts'
import { Turns } from './turns.ts'

export type DryRunParts = {
  readonly fleets: Pick<Fleets, 'get'>
  readonly registry: Pick<Registry, 'all'>
  /** Undefined while no database is set up. */
  readonly history: Export | undefined
}

/** Devices that one dry run watches, and up to how many of them the database is asked by name. */
const MOST_DEVICES = 10_000
const MOST_NAMED = 500

/** Beyond the time of a dry run, for a database that does not get on. */
const PATIENCE_MS = BOUNDS.ms + 30_000

const tooMany = (fleet: Ref): Problem =>
  new Problem('invalid-request', `body: more than ${MOST_DEVICES} devices of fleet ${label(fleet)} match`, {
    errors: [{ field: 'selector', reason: `matches more than ${MOST_DEVICES} devices` }],
    next: 'Narrow the selector, or name devices.',
  })

const unknown = (fleet: Ref, devices: readonly string[]): Problem =>
  new Problem('invalid-request', `body: fleet ${label(fleet)} has no device ${devices.slice(0, 5).join(', ')}`, {
    errors: devices.slice(0, 20).map((value) => ({ field: 'devices', value, reason: 'the fleet has no such device' })),
    next: 'Name devices of the fleet.',
  })

const watchedOf = ({ device, labels, createdAt }: DeviceRecord): Watched => ({
  id: device,
  labels,
  createdMicros: Date.parse(createdAt) * 1000,
})

/** The devices that the rule watches, of those named. @throws Problem */
const devicesFor = async (registry: DryRunParts['registry'], body: DryRunBody, { rule }: Trial): Promise<Watched[]> => {
  const fleet = { namespace: body.namespace, name: body.fleet }
  const missing = new Set(body.devices)
  const isWanted = ({ fleet: home, device }: DeviceRecord): boolean =>
    home === body.fleet && (body.devices === undefined || missing.has(device))
  const found = new Map<string, Watched>()
  for await (const { record } of registry.all({ namespace: body.namespace, match: isWanted })) {
    if (selectorMatches(rule.selector, record.labels)) found.set(record.device, watchedOf(record))
    if (found.size > MOST_DEVICES) throw tooMany(fleet)
    missing.delete(record.device)
  }
  if (missing.size > 0) throw unknown(fleet, [...missing])
  return [...found.values()]
}

const run = async (parts: DryRunParts, body: DryRunBody, signal: AbortSignal): Promise<DryRunResult> => {
  const query = needed(parts.history)
  const trial = trialOf(body, await parts.fleets.get({ namespace: body.namespace, name: body.fleet }))
  const watched = await devicesFor(parts.registry, body, trial)
  const devices = watched.length <= MOST_NAMED ? watched.map(({ id }) => id) : undefined
  const { from, to, limit, nowMicros } = body
  return dryRun({
    ...{ trial, watched, limit, signal, nowMicros, range: { from, to } },
    read: (range) => storedEntries(range, { query, trial, devices, signal }),
  })
}

/** The same for a caller who may go away, and a database that may not get on. @throws Problem */
const runWhileAwaited = async (parts: DryRunParts, body: DryRunBody, caller: AbortSignal): Promise<DryRunResult> => {
  const signal = AbortSignal.any([caller, AbortSignal.timeout(PATIENCE_MS)])
  try {
    return await answered(run(parts, body, signal))
  } catch (error) {
    if (!signal.aborted) throw error
    throw new Problem('unavailable', caller.aborted ? 'the caller has gone' : 'the database takes too long', {
      next: 'Send it again in a while.',
    })
  }
}

/** Of its own: who chooses the rule reads the readings by it. */
const VERB = 'alert-rules:dry-run'

/** `/v1/alert-rules` */
export const dryRunRoutes = (parts: DryRunParts): Hono<ApiEnv> => {
  const turns = new Turns()
  return new Hono<ApiEnv>().post('/dry-run', allowSomewhere(VERB), async (c) => {
    requireMediaType(c, 'application/json')
    const body = await readJson(c, dryRunBody)
    scopeOf(c, VERB, body.namespace)
    using _ = turns.take({ key: keyIdOf(c), namespace: body.namespace })
    return c.json(await runWhileAwaited(parts, body, c.req.raw.signal))
  })
}
