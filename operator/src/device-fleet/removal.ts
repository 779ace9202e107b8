/**
 * Removing a fleet, in the reverse of the data's way, each step confirmed before the next, each safe to repeat:
 *
 * 1. The devices may do nothing any more: grants go, accounts are emptied and their sessions ended.
 * 2. Ingest takes what the broker still holds and ends its session there (the document says Draining; it reports Drained).
 * 3. The writer has acknowledged all that the stream holds.
 * 4. The document goes, so that nobody follows the fleet; then ingest's accounts, the stream, the tables (onDelete: Delete).
 * 5. The devices' records and accounts, the claims, the reports.
 */

import { isDeepStrictEqual } from 'node:util'
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { deviceUser, label, WRITER_CONSUMER } from '@fleetloom/crds/names'
import { chunksOf } from '@fleetloom/shared/chunks-of'
import { allSessions, type FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { DeviceRecord } from '@fleetloom/shared/registry/device-record'
import { converge, report } from '../loop/converge.ts'
import { Waiting } from '../loop/errors.ts'
import type { BackEnd, RemovalStep } from '../loop/kind.ts'
import { convergeDevices } from '../targets/broker/devices.ts'
import { isLeftOver, sweepOrphans } from '../targets/broker/left-over.ts'
import { removeSessions } from '../targets/broker/sessions.ts'
import { databaseRemoval } from '../targets/database/database-target.ts'
import { databaseWant } from '../targets/database/shape.ts'
import { NO_GRANTS } from '../targets/pipeline/compile.ts'
import { ownDocument } from '../targets/pipeline/documents.ts'
import { INSTALLATION_KEY, streamWant } from '../targets/stream/shape.ts'
import { orAbsent, streamTarget } from '../targets/stream/stream-target.ts'
import { leaveEvents } from './events-table.ts'
import type { FleetDeps, FleetFacts, FleetWork } from './facts.ts'
import { writeDocument } from './write-document.ts'

type FleetRemovalStep = RemovalStep<DeviceFleetSpec, FleetFacts>
type Run = FleetRemovalStep['run']

const DRAIN_RETRY_MS = 1_000
/** Between two looks at the registry, as an id that is free may be registered anew. */
const ACCOUNTS_AT_ONCE = 25

/** The fleet's own document; undefined when it is gone, or another fleet's of the same name. */
const ownStored = ({ stored, want }: FleetFacts): FleetDocument | undefined => ownDocument(stored, want)

/** The document goes before the accounts: a device that is registered meanwhile gets what the document grants. */
const revokeGrants =
  (deps: FleetDeps): Run =>
  async (_, facts) => {
    facts.stored = deps.documents.read(facts.want)
    const document = ownStored(facts)
    if (!document) return
    const revoked = { ...document, generation: facts.want.generation, grants: NO_GRANTS }
    if (!isDeepStrictEqual(document, revoked)) facts.stored = await writeDocument(deps, revoked, facts.stored)
  }

const revokeAccounts =
  (deps: FleetDeps): Run =>
  async (work, facts) => {
    const document = ownStored(facts)
    if (document) await convergeDevices(deps, work, document)
  }

const startDraining =
  ({ documents }: FleetDeps): Run =>
  async (_, facts) => {
    const document = ownStored(facts)
    if (!document || document.phase === 'Draining') return
    facts.stored = await documents.write({ ...document, phase: 'Draining' }, facts.stored)
  }

const drainIngest =
  ({ applied }: FleetDeps): Run =>
  async (_, facts) => {
    const document = ownStored(facts)
    if (!document) return
    const missing = applied.sessionsWithout(
      document,
      allSessions(document),
      ({ uid, state }) => uid === document.uid && state === 'Drained',
    )
    if (missing.length > 0)
      throw new Waiting('Draining', 'ingest takes what the broker still holds; is ingest running?', DRAIN_RETRY_MS)
  }

const drainWriter =
  ({ nats, names }: FleetDeps): Run =>
  async (work, facts) => {
    if (!ownStored(facts)) return
    const { metadata, spec } = work.resource
    // A stream or consumer that was lost is made again, so that nothing unread is taken for written.
    const want = streamWant(metadata, metadata.uid, spec, names)
    await converge(work, 'StreamReady', streamTarget(nats.jsm), want)
    const consumer = await orAbsent(nats.jsm.consumers.info(names.stream(metadata), WRITER_CONSUMER))
    const left = (consumer?.num_pending ?? 0) + (consumer?.num_ack_pending ?? 0)
    if (left > 0)
      throw new Waiting(
        'Draining',
        `the writer has ${left} batches to write; is the writer running, does QuestDB answer?`,
        DRAIN_RETRY_MS,
      )
  }

const told = (work: FleetWork, target: string, message: string): Promise<void> =>
  report(work, 'Ready', target, [{ reason: 'Removed', message, expected: true }])

const removeDocument =
  ({ documents }: FleetDeps): Run =>
  async (work, facts) => {
    if (!ownStored(facts)) return
    await documents.remove(work.resource.metadata)
    facts.stored = undefined
    await told(work, 'pipeline', 'the document')
  }

const removeAllSessions =
  (deps: FleetDeps): Run =>
  (work) =>
    removeSessions(deps, work, 0)

const removeStream =
  ({ nats: { jsm }, names }: FleetDeps): Run =>
  async (work) => {
    const name = names.stream(work.resource.metadata)
    const stream = await orAbsent(jsm.streams.info(name))
    if (stream?.config.metadata?.[INSTALLATION_KEY] !== names.installation) return
    await orAbsent(jsm.streams.delete(name))
    await told(work, 'stream', `stream ${name}`)
  }

const removeTables =
  (deps: FleetDeps): Run =>
  async (work) => {
    const { catalog, names } = deps
    const { metadata, spec } = work.resource
    await leaveEvents(deps, work)
    if (spec.storage.onDelete === 'Retain') return
    const want = databaseWant(metadata, metadata.uid, spec, names)
    await converge(work, 'DatabaseReady', databaseRemoval(catalog), want)
  }

/** Leaves a tombstone. False where the device is in another fleet by now. */
const bury = async ({ registry }: FleetDeps, { namespace, fleet, device }: DeviceRecord): Promise<boolean> => {
  const entry = await registry.get(namespace, device)
  if (entry && entry.record.fleet !== fleet) return false
  if (entry) await registry.remove(entry.record, entry.revision)
  return true
}

/** Removes the accounts of those that are not registered anew, in another fleet. */
const removeAccounts = async ({ accounts, registry }: FleetDeps, buried: readonly DeviceRecord[]): Promise<void> => {
  const entries = await Promise.all(buried.map(({ namespace, device }) => registry.get(namespace, device)))
  const gone = buried.filter((_, i) => entries[i] === undefined)
  const users = gone.map(({ namespace, device }) => deviceUser(namespace, device))
  if (users.length > 0) await accounts.write((broker) => broker.remove(users))
}

const removeDevices =
  (deps: FleetDeps): Run =>
  async (work) => {
    const fleet = work.resource.metadata
    const buried: DeviceRecord[] = []
    for (const record of deps.devices.of(fleet)) if (await bury(deps, record)) buried.push(record)
    for (const some of chunksOf(buried, ACCOUNTS_AT_ONCE)) await removeAccounts(deps, some)
    if (buried.length > 0) await told(work, 'broker', `${buried.length} devices`)
    await sweepOrphans(deps, work, (record) => record.fleet === fleet.name || isLeftOver(record, deps.now()))
  }

const forget =
  ({ claims, catalog, names, drains, applied, appliedBucket, forecasts }: FleetDeps): Run =>
  async ({ resource: { metadata } }) => {
    await claims.release(metadata, [])
    drains.forget(metadata)
    catalog.forget(names.table(metadata))
    forecasts.delete(label(metadata))
    for (const key of applied.keysOf(metadata)) await appliedBucket.delete(key)
  }

/** In the order in which they run. */
export const fleetRemoval = (deps: FleetDeps): readonly FleetRemovalStep[] => {
  const step = (run: (deps: FleetDeps) => Run, ...needs: BackEnd[]): FleetRemovalStep => ({ needs, run: run(deps) })
  return [
    step(revokeGrants, 'nats'),
    step(revokeAccounts, 'broker'),
    step(startDraining, 'nats'),
    step(drainIngest, 'ingest'),
    step(drainWriter, 'writer'),
    step(removeDocument, 'nats'),
    step(removeAllSessions, 'broker'),
    step(removeStream, 'nats'),
    step(removeTables, 'database'),
    step(removeDevices, 'broker'),
    step(forget, 'nats'),
  ]
}
