import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { ROLLUP_STEPS } from './device-fleet.ts'
import {
  appliedKey,
  deviceKey,
  deviceOfUser,
  deviceUser,
  fleetKey,
  fleetOfKey,
  label,
  MAX_TABLE_NAME,
  memberKey,
  namesOf,
  RESERVED_COLUMNS,
  RESERVED_FLEET_NAMES,
  type Ref,
  ROLLUP_FOLDS,
  rollupColumn,
  topicClaimKey,
  WRITER_CONSUMER,
} from './names.ts'

// Few letters and the words that names are made of, so that a collision would be found.
const piece = fc.constantFrom('a', 'b', '-', '1', '1m', 'g2', 'fleet', 'events', 'ingest', 'tables', 'dead', 'letters')
const joined = (maxLength: number) =>
  fc.array(piece, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('').slice(0, maxLength))
const namespace = joined(63).filter((text) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text))
const name = joined(50).filter(
  (text) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text) && !(RESERVED_FLEET_NAMES as readonly string[]).includes(text),
)
const installation = fc.oneof(
  fc.constant('fleetloom'),
  joined(21).filter((text) => /^[a-z][a-z0-9-]{0,20}$/.test(text)),
)
const fleet = fc.record({ namespace, name }, { noNullPrototype: true })
const every = fc.constantFrom(...ROLLUP_STEPS)
const generation = fc.integer({ min: 1, max: 12 })

type Owned = { readonly owner: string; readonly name: string }

const tablesOf = (at: string, ref: Ref, steps: string, generations: number): Owned[] => {
  const names = namesOf(at)
  return [
    { owner: `${at} fleet ${label(ref)}`, name: names.table(ref) },
    { owner: `${at} events ${ref.namespace}`, name: names.eventsTable(ref.namespace) },
    { owner: `${at} rollup ${label(ref)} ${steps} ${generations}`, name: names.rollup(ref, steps, generations) },
    { owner: `${at} ownership`, name: names.ownershipTable },
  ]
}

const streamsOf = (at: string, ref: Ref): Owned[] => {
  const names = namesOf(at)
  return [
    { owner: `${at} fleet ${label(ref)}`, name: names.stream(ref) },
    { owner: `${at} dead letters`, name: names.deadLetters },
  ]
}

const subjectsOf = (at: string, ref: Ref, shard: number): Owned[] => {
  const names = namesOf(at)
  return [
    { owner: `${at} telemetry ${label(ref)} ${shard}`, name: names.telemetrySubject(ref, shard) },
    { owner: `${at} events ${label(ref)}`, name: names.eventsSubject(ref) },
    { owner: `${at} dead ${label(ref)} ${shard}`, name: names.deadSubject(ref, `reason_${shard}`) },
    { owner: `${at} replay ${label(ref)}`, name: names.replaySubject(ref) },
  ]
}

const usersOf = (at: string, ref: Ref, session: number): Owned[] => [
  { owner: `${at} ingest ${label(ref)} ${session}`, name: namesOf(at).ingestUser(ref, session) },
  { owner: `${at} operator`, name: `${at}_operator` },
  { owner: `${at} api`, name: `${at}_api` },
]

const assertApart = (all: readonly Owned[]): void => {
  const owners = new Map<string, string>()
  for (const { owner, name: taken } of all) {
    assert.equal(owners.get(taken) ?? owner, owner, `both own ${taken}`)
    owners.set(taken, owner)
  }
}

const apart = <T>(one: fc.Arbitrary<T>, owned: (value: T) => readonly Owned[]): void =>
  fc.assert(
    fc.property(one, one, (a, b) => assertApart([...owned(a), ...owned(b)])),
    { numRuns: 2000 },
  )

test('tables of two fleets, rollups or installations never share a name', () => {
  apart(fc.tuple(installation, fleet, every, generation), (parts) => tablesOf(...parts))
})

test('streams never share a name', () => apart(fc.tuple(installation, fleet), (parts) => streamsOf(...parts)))

test('subjects of two fleets or installations are never the same', () =>
  apart(fc.tuple(installation, fleet, fc.nat(9)), (parts) => subjectsOf(...parts)))

test('MQTT users of our services are never the same, and never those of a device', () => {
  apart(fc.tuple(installation, fleet, fc.nat(9)), (parts) => usersOf(...parts))
  fc.assert(
    fc.property(installation, fleet, fc.nat(9), (at, ref, session) => {
      for (const { name: user } of usersOf(at, ref, session)) assert.equal(deviceOfUser(user), undefined)
    }),
  )
})

const device = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)

test('a device user gives back namespace and device', () => {
  fc.assert(
    fc.property(namespace, device, (of, id) => {
      assert.deepEqual(deviceOfUser(deviceUser(of, id)), { namespace: of, device: id })
    }),
  )
})

test('keys of devices are apart and of two tokens', () => {
  apart(fc.tuple(namespace, device), ([of, id]) => [{ owner: `${of}/${id}`, name: deviceKey(of, id) }])
  fc.assert(fc.property(namespace, device, (of, id) => assert.equal(deviceKey(of, id).split('.').length, 2)))
})

test('a fleet key gives back the fleet, and no other key does', () => {
  fc.assert(fc.property(fleet, (ref) => assert.deepEqual(fleetOfKey(fleetKey(ref)), ref)))
  assert.equal(fleetOfKey('rule.a.b'), undefined)
  assert.equal(fleetOfKey('fleet.a'), undefined)
  assert.equal(fleetOfKey('fleet.a.b.c'), undefined)
})

test('keys of the applied bucket are apart', () =>
  apart(fc.tuple(fleet, fc.nat(9), name), ([ref, session, replica]) => [
    { owner: `ingest ${label(ref)} ${session}`, name: appliedKey('ingest', ref, session) },
    { owner: `writer ${label(ref)} ${session}`, name: appliedKey('writer', ref, session) },
    { owner: `member ingest ${replica}`, name: memberKey('ingest', replica) },
  ]))

test('a claim key is a subject token for any filter', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (filter) => assert.match(topicClaimKey(filter), /^topic\.[0-9a-f]+$/)),
  )
  assert.equal(topicClaimKey('a/+'), 'topic.612f2b')
})

test('two measurements never share a column of a rollup, nor with a column that every table has', () => {
  const measurement = fc
    .array(fc.constantFrom('temp', '_', ...ROLLUP_FOLDS), { minLength: 1, maxLength: 4 })
    .map((parts) => `m${parts.join('_')}`)
  apart(fc.tuple(measurement, fc.constantFrom(...ROLLUP_FOLDS)), ([of, fold]) => [
    { owner: `${of} ${fold}`, name: rollupColumn(of, fold) },
    ...RESERVED_COLUMNS.map((column) => ({ owner: column, name: column })),
  ])
})

test('in the default installation every name fits the database', () => {
  const longest = { namespace: 'n'.repeat(63), name: 'f'.repeat(50) }
  const names = namesOf()
  assert.equal(names.nameFault(longest), undefined)
  for (const step of ROLLUP_STEPS) assert.ok(names.rollup(longest, step, 9999).length <= MAX_TABLE_NAME)
})

test('names that are too long in another installation are told', () => {
  const longest = { namespace: 'n'.repeat(63), name: 'f'.repeat(50) }
  assert.match(namesOf('second').nameFault(longest) ?? '', /^the names of .* are together \d+ characters too long/)
  assert.equal(namesOf('second').nameFault({ namespace: 'coldchain', name: 'reefers' }), undefined)
})

test('the names of one fleet are what the documentation says', () => {
  const ref = { namespace: 'coldchain', name: 'reefers' }
  const names = namesOf()
  assert.deepEqual(
    [
      names.stream(ref),
      names.streamSubjects(ref),
      names.telemetrySubject(ref, 3),
      names.telemetrySubjects(ref),
      names.eventsSubject(ref),
      names.deadSubject(ref, 'not_json'),
      names.deadSubjectsOf(ref),
      names.deadSubjects,
      names.replaySubject(ref),
      names.table(ref),
      names.rollup(ref, '1h'),
      names.rollup(ref, '1h', 2),
      names.eventsTable(ref.namespace),
      names.ingestUser(ref),
      names.buckets.pipeline,
      WRITER_CONSUMER,
    ],
    [
      'fleet_coldchain_reefers',
      'fleet.coldchain.reefers.>',
      'fleet.coldchain.reefers.telemetry.3',
      'fleet.coldchain.reefers.telemetry.*',
      'fleet.coldchain.reefers.events',
      'dead.coldchain.reefers.not_json',
      'dead.coldchain.reefers.*',
      'dead.>',
      'replay.coldchain.reefers',
      'coldchain_reefers',
      'coldchain_reefers_1h',
      'coldchain_reefers_1h_g2',
      'coldchain_events',
      'fleetloom_ingest_coldchain_reefers_0',
      'fleetloom-pipeline',
      'writer',
    ],
  )
  assert.equal(namesOf('second').table(ref), 'second__coldchain_reefers')
  assert.equal(namesOf('second').telemetrySubject(ref, 0), 'second__.fleet.coldchain.reefers.telemetry.0')
})
