import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Condition } from '@fleetloom/crds/conditions'
import { changedConditions, foldConditions, type Outcome, onlyReady } from './conditions.ts'

const EARLIER = '2025-12-31T00:00:00.000Z'
const NOW = '2026-01-01T00:00:00.000Z'
const nowMs = Date.parse(NOW)

const done = (condition: Outcome['condition']): Outcome => ({ condition, result: { is: 'done' } })
const failed = (condition: Outcome['condition']): Outcome => ({
  condition,
  result: { is: 'failed', reason: 'Unreachable', message: 'no answer' },
})
const held = (condition: Outcome['condition'], by: Outcome['condition']): Outcome => ({
  condition,
  result: { is: 'held', by },
})
const was = (type: Condition['type'], change: Partial<Condition> = {}): Condition => ({
  ...{
    type,
    status: 'True',
    reason: 'Converged',
    message: 'in place',
    observedGeneration: 1,
    lastTransitionTime: EARLIER,
  },
  ...change,
})
const fold = (outcomes: readonly Outcome[], previous: readonly Condition[] = [], observed = [] as never[]) =>
  foldConditions({ outcomes, previous, observed, generation: 2, nowMs })

test('everything done is Ready', () => {
  assert.deepEqual(fold([done('Accepted'), done('DatabaseReady')]), [
    was('Ready', { observedGeneration: 2, lastTransitionTime: NOW }),
    was('Accepted', { observedGeneration: 2, lastTransitionTime: NOW }),
    was('DatabaseReady', { observedGeneration: 2, lastTransitionTime: NOW }),
  ])
})

test('Ready repeats the first condition that does not hold, a False one before an Unknown one', () => {
  assert.deepEqual(fold([done('Accepted'), held('PipelineReady', 'StreamReady'), failed('StreamReady')])[0], {
    ...{ type: 'Ready', status: 'False', reason: 'Unreachable', message: 'no answer' },
    ...{ observedGeneration: 2, lastTransitionTime: NOW },
  })
})

test('of several steps of one condition the failed one counts', () => {
  const conditions = fold([done('BrokerReady'), failed('BrokerReady')])
  assert.deepEqual(
    conditions.map(({ type, status }) => `${type}=${status}`),
    ['Ready=False', 'BrokerReady=False'],
  )
})

test('a held step keeps its word for this generation and is Unknown for a new one', () => {
  const outcomes = [failed('DatabaseReady'), held('PipelineReady', 'DatabaseReady')]
  const pipeline = (generation: number) =>
    fold(outcomes, [was('PipelineReady', { observedGeneration: generation })]).find(
      ({ type }) => type === 'PipelineReady',
    )
  assert.deepEqual(pipeline(2), was('PipelineReady', { observedGeneration: 2 }))
  assert.deepEqual(pipeline(1), {
    ...{ type: 'PipelineReady', status: 'Unknown', reason: 'WaitingForTarget', message: 'waits for DatabaseReady' },
    ...{ observedGeneration: 2, lastTransitionTime: NOW },
  })
})

test('the time of transition moves only when the status flips', () => {
  const [ready, database] = fold(
    [failed('DatabaseReady')],
    [was('Ready', { status: 'False', reason: 'Failed' }), was('DatabaseReady')],
  )
  assert.equal(ready?.lastTransitionTime, EARLIER)
  assert.equal(database?.lastTransitionTime, NOW)
})

test('what was observed is a condition while it lasts and makes nothing unready', () => {
  const observed = [
    { type: 'Backlogged', message: 'b' },
    { type: 'Backlogged', message: 'a' },
    { type: 'Backlogged', message: 'a' },
  ] as const
  const conditions = foldConditions({
    outcomes: [done('Accepted')],
    previous: [was('RateExceeded')],
    observed,
    generation: 2,
    nowMs,
  })
  assert.deepEqual(
    conditions.map(({ type, status, message }) => `${type}=${status} ${message}`),
    ['Ready=True in place', 'Accepted=True in place', 'Backlogged=True a; b'],
  )
})

test('a suspended resource keeps its other conditions as they were', () => {
  const previous = [was('Ready'), was('DatabaseReady')]
  assert.deepEqual(onlyReady({ reason: 'Suspended', message: 'paused' }, { previous, generation: 2, nowMs }), [
    was('Ready', {
      status: 'False',
      reason: 'Suspended',
      message: 'paused',
      observedGeneration: 2,
      lastTransitionTime: NOW,
    }),
    was('DatabaseReady'),
  ])
})

test('a change of message alone is no news', () => {
  const before = [was('Ready'), was('Accepted')]
  const after = [was('Ready', { message: 'other' }), was('Accepted', { status: 'False' }), was('Backlogged')]
  assert.deepEqual(
    changedConditions(before, after).map(({ type }) => type),
    ['Accepted', 'Backlogged'],
  )
})

test('a message is cut to what the API server takes', () => {
  const long: Outcome = {
    condition: 'Accepted',
    result: { is: 'failed', reason: 'Invalid', message: 'x'.repeat(5_000) },
  }
  assert.deepEqual(
    fold([long]).map(({ message }) => message),
    Array.from({ length: 2 }, () => `${'x'.repeat(4_095)}…`),
  )
})
