import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseGrants } from '@fleetloom/crds/topics'
import type { Receiver } from '@fleetloom/shared/alerts/rule-document'
import { createLogger } from '@fleetloom/shared/process/logger'
import { Stalling } from '../loop/errors.ts'
import type { RuleDeps, RuleFacts, RuleWork } from './facts.ts'
import { revoked } from './revoke.ts'
import { ruleSteps } from './steps.ts'
import { aRule } from './testing.ts'

const on = (topic: string): Receiver => ({ kind: 'mqtt', topic })
const ALERTMANAGER: Receiver = { kind: 'alertmanager' }
const OWN = on('fleets/cold/reefers/{device}/alerts')
const SHARED = on('plant/{device}/alerts')
const document = { namespace: 'cold', fleet: 'reefers', notify: [ALERTMANAGER, OWN, SHARED] }
const granted = { grants: parseGrants('plant/=cold'), conflict: () => undefined }

test('what is granted stays; a grant that is taken back or given to another, and a topic of a fleet, end the right to it', () => {
  const none = { fleet: undefined }
  assert.deepEqual(revoked(document, none, granted), [])
  assert.deepEqual(revoked(document, none, { ...granted, grants: [] }), [SHARED])
  assert.deepEqual(revoked(document, none, { ...granted, grants: parseGrants('plant/=hot') }), [SHARED])
  const conflict = (_: unknown, filters: readonly string[]) => (filters[0] === 'plant/+/alerts' ? 'taken' : undefined)
  assert.deepEqual(revoked(document, none, { ...granted, conflict }), [SHARED])
  assert.deepEqual(revoked({ ...document, fleet: 'other' }, none, { ...granted, grants: [] }), [OWN, SHARED])
})

test('a rule whose grant was taken back says so, and its document and the account go on without the topic', async () => {
  const resource = aRule({ notify: [{ mqtt: { topic: 'plant/{device}/alerts' } }] })
  const stored = { document: { ...document, ...resource.metadata, generation: 1 }, revision: 3 }
  const written: (readonly Receiver[])[] = []
  const announced: (readonly string[])[] = []
  const deps = {
    ...{ grants: [], conflict: () => undefined, check: () => [], now: () => 0 },
    documents: {
      read: () => stored,
      all: () => [stored.document],
      write: async ({ notify }: { notify: Receiver[] }) => void written.push(notify),
    },
    alerter: {
      announce: (_: unknown, filters: string[]) => void announced.push(filters),
      converge: () => Promise.reject(new Error('away')),
    },
  } as unknown as RuleDeps
  const work = {
    resource,
    log: createLogger('test', 'silent'),
    previous: () => undefined,
    event: async () => undefined,
    wrote: () => undefined,
  } as unknown as RuleWork
  const facts: RuleFacts = { fleet: undefined, unreadable: [], crowded: [] }
  const [accepted] = ruleSteps(deps)
  await assert.rejects(
    async () => accepted?.run(work, facts),
    (error) => error instanceof Stalling && error.reason === 'TopicNotGranted',
  )
  assert.deepEqual(written, [[ALERTMANAGER, OWN]])
  assert.deepEqual(announced, [['fleets/cold/+/+/alerts']])
})
