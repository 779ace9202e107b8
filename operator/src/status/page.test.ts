import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Resource, Status } from '../source/source.ts'
import { statusText } from './page.ts'
import { age, textTable } from './table.ts'

const nowMs = Date.parse('2026-01-01T12:00:00Z')
const lastTransitionTime = '2026-01-01T11:55:00Z'

const fleet: Resource = {
  kind: 'DeviceFleet',
  metadata: { namespace: 'coldchain', name: 'reefers', uid: 'u', generation: 2, finalizers: [], annotations: {} },
  spec: {},
  status: {
    observedGeneration: 2,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Converged',
        message: 'all in place',
        observedGeneration: 2,
        lastTransitionTime,
      },
      {
        type: 'UnknownFields',
        status: 'True',
        reason: 'Observed',
        message: 'humidty (12 times)',
        observedGeneration: 2,
        lastTransitionTime,
      },
    ],
    devices: { registered: 3, online: 0 },
  },
}

test('the table shows fleets as kubectl would, then what a reader should know', () => {
  const page = {
    resources: [fleet],
    refused: [{ file: 'a.yaml', line: 7, field: 'spec.storage.ttl', message: 'must be from 1h to 100y' }],
    events: [
      {
        type: 'Warning' as const,
        reason: 'Repaired' as const,
        message: 'stream: was gone',
        kind: 'DeviceFleet' as const,
        namespace: 'coldchain',
        name: 'reefers',
        count: 2,
        firstSeen: lastTransitionTime,
        lastSeen: '2026-01-01T11:59:30Z',
      },
    ],
  }
  assert.equal(
    statusText(page, nowMs),
    `DeviceFleets
NAMESPACE   NAME      READY   REASON      DEVICES   ONLINE   SINCE   MESSAGE
coldchain   reefers   True    Converged   3         0        5m      all in place

NOTES
  coldchain/reefers UnknownFields: humidty (12 times)

REFUSED (the last good version keeps running)
  a.yaml:7: spec.storage.ttl: must be from 1h to 100y

LATEST EVENTS
  30s ago  Warning Repaired  DeviceFleet coldchain/reefers  stream: was gone (×2)
`,
  )
})

const rule: Resource = {
  kind: 'AlertRule',
  metadata: { ...fleet.metadata, name: 'too-warm' },
  spec: { fleet: 'reefers', severity: 'critical' },
  status: {
    ...(fleet.status as Status),
    firing: 2,
    pending: 0,
    lastEvaluated: '2026-01-01T11:59:48.000Z',
  },
}

test('rules show what fires and when they were last judged', () => {
  const { status: _, ...unseen } = rule
  const resources = [rule, { ...unseen, metadata: { ...rule.metadata, name: 'silent' } }]
  assert.match(
    statusText({ resources, refused: [], events: [] }, nowMs),
    /AlertRules\nNAMESPACE {3}NAME {7}READY {5}REASON {8}FLEET {5}SEVERITY {3}FIRING {3}PENDING {3}EVALUATED {3}SINCE {3}MESSAGE\ncoldchain {3}too-warm {3}True {6}Converged {5}reefers {3}critical {3}2 {8}0 {9}12s {9}5m {6}all in place\ncoldchain {3}silent {5}Unknown {3}Progressing {3}reefers {3}critical {42}not looked at yet/,
  )
})

test('an empty folder says what to do', () => {
  assert.equal(
    statusText({ resources: [], refused: [], events: [] }, nowMs),
    'no DeviceFleet yet: put a manifest into the folder\n',
  )
})

test('ages and tables read like kubectl', () => {
  assert.deepEqual(
    [0, 59, 119, 120, 7_200, 172_800].map((s) => age(0, s * 1_000)),
    ['0s', '59s', '119s', '2m', '2h', '2d'],
  )
  assert.equal(textTable(['A', 'B'], [['long', 'x']]), 'A      B\nlong   x\n')
})
