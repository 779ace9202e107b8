import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import type { KvEntry } from '@nats-io/kv'
import { transitionOf } from '../testing.ts'
import { Silences } from './silences.ts'

const log = createLogger('test', 'silent')

const record = (value: string): string =>
  JSON.stringify({
    version: '1.0',
    silences: [
      {
        ...{ id: 's1', author: 'ann', comment: '', createdAt: '2026-01-01T00:00:00Z' },
        ...{ startsAt: '2000-01-01T00:00:00Z', endsAt: '2999-01-01T00:00:00Z' },
        matchers: [{ name: 'device', operator: '=~', value }],
      },
    ],
  })

/** A bucket whose record of silences is as told. */
const bucketOf = (told: { text: string; revision: number }) => ({
  get: async (key: string) =>
    ({ key, operation: 'PUT', revision: told.revision, string: () => told.text }) as unknown as KvEntry,
})

test('a record that is not JSON silences nothing, and says so once', async (context) => {
  const error = context.mock.method(log, 'error', mock.fn())
  const silences = new Silences({ kv: bucketOf({ text: '{"silences": [', revision: 7 }), log })
  context.mock.timers.enable({ apis: ['Date'] })
  assert.equal(await silences.of(transitionOf()), undefined)
  assert.equal(await silences.of(transitionOf()), undefined)
  assert.equal(error.mock.callCount(), 1)
})

test('a record is read anew when its revision changed', async (context) => {
  let clockMs = 0
  context.mock.method(performance, 'now', () => clockMs)
  const told = { text: record('reefer-7'), revision: 1 }
  const silences = new Silences({ kv: bucketOf(told), log })
  const held = async () => (await silences.of(transitionOf({ device: 'reefer-7' })))?.id
  assert.equal(await held(), 's1')
  told.text = record('reefer-8')
  clockMs += 2_000
  assert.equal(await held(), 's1')
  told.revision++
  clockMs += 2_000
  assert.equal(await held(), undefined)
})
