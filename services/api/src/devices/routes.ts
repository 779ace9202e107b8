import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import { deviceLabels } from '@fleetloom/shared/registry/device-record'
import type { Entry, Registry } from '@fleetloom/shared/registry/registry'
import { type Context, Hono } from 'hono'
import type { Fleets } from '../fleets.ts'
import { mediaType, parseWith, readJson, readQuery, requireMediaType } from '../http/body.ts'
import type { ApiEnv } from '../http/env.ts'
import { deviceOf, fleetOf, ifMatch, tokenOf } from '../http/params.ts'
import { allow } from '../keys/authenticate.ts'
import { registerLines } from './bulk.ts'
import { type CertificateRouteParts, certificateRoutes } from './certificate-routes.ts'
import { find, inFleet } from './find.ts'
import type { AskPresence, Presence } from './presence.ts'
import { certificatePath, type Provisioning, type Registered } from './provisioning.ts'
import { type DevicePatch, devicePatch, deviceView, listQuery, newDevice } from './schema.ts'

const JSON_TYPE = 'application/json'
const NDJSON_TYPE = 'application/x-ndjson'
const PATCH_TYPE = 'application/merge-patch+json'

export type DeviceParts = CertificateRouteParts & {
  readonly registry: Pick<Registry, 'get' | 'read' | 'change' | 'list'>
  readonly fleets: Pick<Fleets, 'getActive'>
  readonly provisioning: Pick<Provisioning, 'register' | 'disable' | 'enable' | 'rotate' | 'remove'>
  readonly presence: AskPresence
}

/** `/v1/namespaces/:namespace/fleets/:fleet/devices` */
export const deviceRoutes = (parts: DeviceParts): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .route('/', fleetDevices(parts))
    .route('/:device', oneDevice(parts))
    .route('/:device/certificate', certificateRoutes(parts))

const fleetDevices = ({ registry, fleets, provisioning, presence }: DeviceParts): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/', allow('devices:read'), async (c) => {
      const fleet = fleetOf(c)
      const { labelSelector = () => true, limit, continue: from } = readQuery(c, listQuery)
      const match = (record: DeviceRecord) => record.fleet === fleet.name && labelSelector(record.labels)
      const query = { namespace: fleet.namespace, match, limit }
      const { entries, next } = await registry.list(from === undefined ? query : { ...query, from })
      const known = await presence(
        fleet,
        entries.map(({ record }) => record.device),
      )
      const items = entries.map((entry) => ({ ...deviceView(entry), ...known.of(entry.record.device) }))
      return c.json({ items, ...whyUnknown(known), ...tokenOf(next) })
    })
    .post('/', allow('devices:write'), async (c) => {
      requireMediaType(c, JSON_TYPE, NDJSON_TYPE)
      const fleet = fleetOf(c)
      await fleets.getActive(fleet)
      c.header('cache-control', 'no-store')
      if (mediaType(c) === NDJSON_TYPE) {
        const report = registerLines(provisioning, fleet, c.req.raw.body ?? ReadableStream.from([]))
        return c.body(ReadableStream.from(encode(report)), 200, { 'content-type': NDJSON_TYPE })
      }
      const [outcome] = await provisioning.register(fleet, [await readJson(c, newDevice)])
      if (outcome === undefined || 'problem' in outcome) throw outcome?.problem
      return showWithSecret(c, outcome.ok, 201)
    })

const oneDevice = ({ registry, provisioning, presence }: DeviceParts): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/', allow('devices:read'), async (c) => {
      const entry = await find(registry, c)
      const { device } = entry.record
      const known = await presence(fleetOf(c), [device])
      return show(c, entry, { ...known.of(device), ...whyUnknown(known) })
    })
    .patch('/', allow('devices:write'), async (c) => {
      requireMediaType(c, PATCH_TYPE, JSON_TYPE)
      const { record } = await find(registry, c)
      const patch = await readJson(c, devicePatch)
      const changed = await registry.change(record, (now) => patched(now, patch), ifMatch(c))
      return show(c, inFleet(changed, c))
    })
    .post('/disable', allow('devices:write'), async (c) => show(c, await provisioning.disable(await find(registry, c))))
    .post('/enable', allow('devices:write'), async (c) => show(c, await provisioning.enable(await find(registry, c))))
    .post('/rotate', allow('devices:write'), async (c) => {
      const entry = await find(registry, c)
      c.header('cache-control', 'no-store')
      return showWithSecret(c, await provisioning.rotate(entry), 200)
    })
    .delete('/', allow('devices:write'), async (c) => {
      const { namespace, device } = deviceOf(c)
      const entry = inFleet(await registry.read(namespace, device), c)
      await provisioning.remove(entry, ifMatch(c))
      return c.body(null, 204)
    })

const show = (c: Context, entry: Entry, more: object = {}): Response => {
  c.header('etag', `"${entry.revision}"`)
  return c.json({ ...deviceView(entry), ...more })
}

const whyUnknown = ({ unavailable }: Presence): object =>
  unavailable === undefined ? {} : { presenceUnavailable: unavailable }

const showWithSecret = (c: Context, { entry, secret }: Registered, status: 200 | 201): Response => {
  c.header('etag', `"${entry.revision}"`)
  return c.json({ ...deviceView(entry), ...(secret === undefined ? howToEnrol(entry) : { secret }) }, status)
}

const howToEnrol = ({ record }: Entry) => ({
  next: `The device has no password. Send its certificate request to POST ${certificatePath(record)}.`,
})

/** @throws Problem when the labels that come of it are not valid. */
const patched = (record: DeviceRecord, patch: DevicePatch): DeviceRecord => ({
  ...record,
  ...(patch.type === undefined ? {} : { type: patch.type ?? '' }),
  ...(patch.displayName === undefined ? {} : { displayName: patch.displayName ?? '' }),
  ...(patch.labels === undefined ? {} : { labels: patchedLabels(record.labels, patch.labels) }),
})

const patchedLabels = (labels: DeviceRecord['labels'], patch: DevicePatch['labels']): DeviceRecord['labels'] => {
  if (patch === null || patch === undefined) return {}
  const merged = Object.entries({ ...labels, ...patch }).filter(([, value]) => value !== null)
  return parseWith(deviceLabels, Object.fromEntries(merged), 'body: labels')
}

async function* encode(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  for await (const text of texts) yield encoder.encode(text)
}
