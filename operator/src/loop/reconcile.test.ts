import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConditionType } from '@fleetloom/crds/conditions'
import { type Change, converge } from './converge.ts'
import { Stalling, type Told, Waiting } from './errors.ts'
import type { KindDefinition, Step } from './kind.ts'
import { FINALIZER, reconciler } from './reconcile.ts'
import { aContext, aResource, brief, manualClock, memorySource } from './testing.ts'

type Spec = { suspend?: boolean }
const REF = { namespace: 'ns', name: 'fleet' }

const step = (
  condition: ConditionType,
  after: ConditionType[],
  run: Step<Spec, object>['run'],
): Step<Spec, object> => ({
  condition,
  after,
  run,
})
const ok = async () => undefined
const kind = (change: Partial<KindDefinition<Spec, object>>): KindDefinition<Spec, object> => ({
  kind: 'DeviceFleet',
  gather: async () => ({}),
  steps: [],
  removal: [],
  ...change,
})

const setUp = (definition: KindDefinition<Spec, object>, resource = aResource()) => {
  const clock = manualClock()
  const memory = memorySource(resource)
  const reconcile = reconciler(aContext(memory.source, clock), definition)
  return { ...memory, clock, run: () => reconcile(REF) }
}

test('the second reconcile of an unchanged resource writes nothing', async () => {
  const { run, writes, events } = setUp(kind({ steps: [step('Accepted', [], ok), step('DatabaseReady', [], ok)] }))
  await run()
  assert.deepEqual(writes, ['finalizer', 'status'])
  assert.deepEqual(events, [{ type: 'Normal', reason: 'Converged', message: 'Ready: in place' }])
  assert.deepEqual(await run(), { kind: 'done' })
  assert.deepEqual(writes, ['finalizer', 'status'])
  assert.equal(events.length, 1)
})

test('a resource that goes before it bears our finalizer leaves nothing behind', async () => {
  const ran: string[] = []
  const owns = kind({ steps: [step('Accepted', [], async () => void ran.push('Accepted'))], removal: [] })
  const { source } = memorySource(aResource())
  const reconcile = reconciler(aContext({ ...source, addFinalizer: async () => undefined }, manualClock()), owns)
  assert.deepEqual(await reconcile(REF), { kind: 'done' })
  assert.deepEqual(ran, [])
})

test('a failed step holds back only the steps that name it', async () => {
  const ran: string[] = []
  const note = (name: string) => async () => void ran.push(name) as undefined
  const fail = async () => {
    throw new Error('database refused it')
  }
  const { run, now } = setUp(
    kind({
      steps: [
        step('DatabaseReady', [], fail),
        step('StreamReady', [], note('stream')),
        step('PipelineReady', ['DatabaseReady'], note('pipeline')),
      ],
    }),
  )
  assert.deepEqual(await run(), { kind: 'backoff' })
  assert.deepEqual(ran, ['stream'])
  assert.deepEqual(brief(now()?.status?.conditions), [
    'Ready=False Failed: database refused it',
    'StreamReady=True Converged: in place',
    'DatabaseReady=False Failed: database refused it',
    'PipelineReady=Unknown WaitingForTarget: waits for DatabaseReady',
  ])
})

test('the kind of fault chooses when to look again', async () => {
  const after = async (...faults: Error[]) => {
    const steps = faults.map((fault, i) =>
      step((['Accepted', 'StreamReady'] as const)[i] ?? 'Accepted', [], async () => {
        throw fault
      }),
    )
    return setUp(kind({ steps })).run()
  }
  assert.deepEqual(await after(new Stalling('NotOwned', 'x')), { kind: 'done' })
  assert.deepEqual(await after(new Waiting('WaitingForIngest', 'x', 700)), { kind: 'after', ms: 700 })
  assert.deepEqual(await after(new Waiting('WaitingForIngest', 'x', 700), new Stalling('NotOwned', 'x')), {
    kind: 'after',
    ms: 700,
  })
  assert.deepEqual(await after(new Waiting('WaitingForIngest', 'x', 700), new Error('x')), { kind: 'backoff' })
})

test('a step may ask for another look though all is well', async () => {
  const { run } = setUp(kind({ steps: [step('Accepted', [], async () => ({ againMs: 5_500 }))] }))
  assert.deepEqual(await run(), { kind: 'after', ms: 5_500 })
})

test('a suspended resource is left as it is and says so', async () => {
  const { run, now } = setUp(
    kind({
      steps: [
        step('Accepted', [], async () => {
          throw new Error('must not run')
        }),
      ],
    }),
    aResource({}, { suspend: true }),
  )
  await run()
  assert.deepEqual(brief(now()?.status?.conditions), [
    'Ready=False Suspended: spec.suspend is true: nothing is converged',
  ])
})

test('a wait that has just begun writes nothing; a quiet one is shown and causes no event; one that lasts causes one', async () => {
  let told: Told = 'nothing'
  const waits = step('PipelineReady', [], async () => {
    throw new Waiting('WaitingForAlerter', 'not yet', 2_000, told)
  })
  const { run, now, events } = setUp(kind({ steps: [step('Accepted', [], ok), waits] }))
  assert.deepEqual(await run(), { kind: 'after', ms: 2_000 })
  assert.equal(now()?.status, undefined)
  told = 'quietly'
  await run()
  assert.deepEqual(brief(now()?.status?.conditions), [
    'Ready=False WaitingForAlerter: not yet',
    'Accepted=True Converged: in place',
    'PipelineReady=Unknown WaitingForAlerter: not yet',
  ])
  assert.deepEqual(events, [])
  told = 'all'
  await run()
  assert.deepEqual(events, [{ type: 'Warning', reason: 'WaitingForAlerter', message: 'PipelineReady: not yet' }])
})

test('removal runs its steps in order and takes the finalizer last; a step that waits is taken up again', async () => {
  const ran: string[] = []
  let drained = false
  const definition = kind({
    removal: [
      { needs: ['nats'], run: async () => void ran.push('revoke') },
      {
        needs: ['ingest'],
        run: async () => {
          if (!drained) throw new Waiting('Draining', 'ingest takes the rest', 1_000)
          ran.push('drained')
        },
      },
      { needs: ['database'], run: async () => void ran.push('drop') },
    ],
  })
  const { run, now, writes } = setUp(
    definition,
    aResource({ deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [FINALIZER] }),
  )
  assert.deepEqual(await run(), { kind: 'after', ms: 1_000 })
  assert.deepEqual(brief(now()?.status?.conditions), ['Ready=False Draining: being removed: ingest takes the rest'])
  drained = true
  assert.deepEqual(await run(), { kind: 'done' })
  assert.deepEqual(ran, ['revoke', 'revoke', 'drained', 'drop'])
  assert.equal(writes.at(-1), 'removed')
})

test('a removal that waits long says how to give up, and goes on once a person has', async () => {
  const away = async () => {
    throw new Error('connect ECONNREFUSED')
  }
  const ran: string[] = []
  const removal = [
    { needs: ['database' as const], run: away },
    { needs: ['nats' as const], run: async () => void ran.push('forget') },
  ]
  const deleted = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: [FINALIZER] }
  const waiting = setUp(kind({ removal }), aResource(deleted))
  await waiting.run()
  assert.deepEqual(brief(waiting.now()?.status?.conditions), [
    'Ready=False Unreachable: being removed: connect ECONNREFUSED',
  ])
  await waiting.clock.advance(20_000)
  await waiting.run()
  assert.deepEqual(brief(waiting.now()?.status?.conditions), [
    'Ready=False Unreachable: being removed: connect ECONNREFUSED; to go on without: ' +
      'kubectl annotate devicefleet fleet --namespace ns --overwrite fleetloom.io/give-up-on=database',
  ])
  assert.deepEqual(ran, [])
  const annotations = { 'fleetloom.io/give-up-on': 'broker, database' }
  const givenUp = setUp(kind({ removal }), aResource({ ...deleted, annotations }))
  assert.deepEqual(await givenUp.run(), { kind: 'done' })
  assert.deepEqual(ran, ['forget'])
  assert.deepEqual(
    givenUp.events.map(({ reason, message }) => `${reason}: ${message}`),
    [
      'GaveUp: gave up on database: connect ECONNREFUSED; what is left there must be removed by hand',
      'Removed: DeviceFleet ns/fleet is removed',
    ],
  )
})

test('a fault before any step is in Ready, and nothing is taken for converged', async () => {
  const { run, now } = setUp(
    kind({
      gather: async () => {
        throw new Error('no responders')
      },
      steps: [step('Accepted', [], ok)],
    }),
  )
  assert.deepEqual(await run(), { kind: 'backoff' })
  assert.deepEqual(brief(now()?.status?.conditions), ['Ready=False Unreachable: no responders'])
})

test('a change is Created or Updated at first and Repaired once this generation was in place', async () => {
  let differs: Change[] = [{ reason: 'Created', message: 'table ns_fleet' }]
  const target = {
    name: 'database',
    read: async () => differs,
    plan: (_: unknown, have: Change[]) => have,
    apply: async () => undefined,
  }
  const { run, events, change } = setUp(
    kind({
      steps: [
        step('DatabaseReady', [], async (work) => {
          await converge(work, 'DatabaseReady', target, {})
          return undefined
        }),
      ],
    }),
  )
  await run()
  differs = [
    { reason: 'Created', message: 'column wind DOUBLE' },
    { reason: 'Removed', message: 'rollup old', expected: true },
  ]
  await run()
  change((known) => ({ ...known, metadata: { ...known.metadata, generation: 2 } }))
  differs = [{ reason: 'Created', message: 'column rain DOUBLE' }]
  await run()
  assert.deepEqual(
    events
      .filter(({ reason }) => reason !== 'Converged')
      .map(({ type, reason, message }) => `${type} ${reason} ${message}`),
    [
      'Normal Created database: table ns_fleet',
      'Warning Repaired database: column wind DOUBLE',
      'Normal Removed database: rollup old',
      'Normal Created database: column rain DOUBLE',
    ],
  )
})

test('what was changed before a change failed is told all the same', async () => {
  const made = new Set<string>()
  const target = {
    name: 'database',
    read: async () => made,
    plan: (): Change[] =>
      ['one', 'two']
        .filter((message) => !made.has(message))
        .map((message) => ({ reason: 'Created', message }) as const),
    apply: async (_: unknown, { message }: Change) => {
      if (message === 'two') throw new Error('no')
      made.add(message)
    },
  }
  const { run, events } = setUp(
    kind({
      steps: [
        step('DatabaseReady', [], async (work) => {
          await converge(work, 'DatabaseReady', target, {})
          return undefined
        }),
      ],
    }),
  )
  assert.deepEqual(await run(), { kind: 'backoff' })
  assert.deepEqual(
    events.map(({ message }) => message),
    ['database: one', 'DatabaseReady: no'],
  )
})
