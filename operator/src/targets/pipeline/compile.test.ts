import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fleetDocumentOf } from '@fleetloom/shared/pipeline/testing'
import { withWhatGoes } from './compile.ts'

const FLEET = { namespace: 'cold', name: 'reefers' }
const documentOf = (sessions: number, surplusSessions = 0) => fleetDocumentOf(FLEET, { sessions, surplusSessions })

test('sessions that are too many stay in the document, also those of an earlier change, until they are wanted again', () => {
  const surplus = (want: number, ...old: [number, number?]) =>
    withWhatGoes(documentOf(want), documentOf(...old), 0).surplusSessions
  assert.deepEqual([surplus(2, 2), surplus(3, 2), surplus(1, 4)], [0, 0, 3])
  assert.deepEqual([surplus(1, 2, 2), surplus(3, 2, 2), surplus(4, 2, 2)], [3, 1, 0])
})

test('sessions that only accounts tell of are too many as well', () => {
  const surplus = (want: number, accounts: number) =>
    withWhatGoes(documentOf(want), documentOf(want), accounts).surplusSessions
  assert.deepEqual([surplus(1, 0), surplus(1, 1), surplus(1, 3), surplus(4, 3)], [0, 0, 2, 0])
})

test('old topics stay in the document beside the new ones', () => {
  const old = { ...documentOf(1), topics: { telemetry: ['a', 'b'], events: ['e'], errors: 'x' } }
  const want = { ...documentOf(1), topics: { telemetry: ['b', 'c'], events: [], errors: 'y' } }
  assert.deepEqual(withWhatGoes(want, old, 0).topics, { telemetry: ['b', 'c', 'a'], events: ['e'], errors: 'y' })
})
