import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import type { SourceEvent } from '../source/source.ts'
import { type Change, converge, type Target } from './converge.ts'
import { Stalling, Unreachable, Waiting } from './errors.ts'
import type { Work } from './kind.ts'

const MADE: Change = { reason: 'Created', message: 'table t' }

/** A fleet whose database was in place before. */
const settled = () => {
  const told: string[] = []
  const work = {
    resource: { metadata: { generation: 1 } },
    log: createLogger('test', 'silent'),
    previous: () => ({ status: 'True', observedGeneration: 1 }),
    event: async ({ reason, message }: SourceEvent) => void told.push(`${reason}: ${message}`),
    wrote: () => undefined,
  } as unknown as Work<unknown>
  return { told, work }
}

/** A target whose looks and changes end as told, in turn; then all is well. */
const target = ({ looks = [], changes = [] }: { looks?: Error[]; changes?: Error[] }) => {
  const seen = { looks: 0 }
  const fails = (errors: Error[]): void => {
    const error = errors.shift()
    if (error) throw error
  }
  const one: Target<string, string, Change> = {
    name: 'database',
    read: async () => {
      seen.looks++
      fails(looks)
      return ''
    },
    plan: () => [MADE],
    apply: async () => fails(changes),
  }
  return { one, seen }
}

const run = ({ work }: ReturnType<typeof settled>, one: Target<string, string, Change>) =>
  converge(work, 'DatabaseReady', one, '')

test('what changes between two looks is looked at once more, and its repair is told as one', async () => {
  const fleet = settled()
  const { one, seen } = target({ looks: [new Error('table does not exist [table=t]')] })
  await run(fleet, one)
  assert.deepEqual([seen.looks, fleet.told], [2, ['Repaired: database: table t']])
})

test('what the database refuses is looked at once more whatever its tables are called', async () => {
  const fault = Object.assign(new Error('table does not exist [table=cold_socket-timeouts]'), { name: 'SqlError' })
  const { one, seen } = target({ looks: [fault] })
  await run(settled(), one)
  assert.equal(seen.looks, 2)
})

test('what fails twice is told', async () => {
  const fleet = settled()
  const { one, seen } = target({ changes: [new Error('refused'), new Error('refused again')] })
  await assert.rejects(run(fleet, one), /^Error: refused again$/)
  assert.deepEqual([seen.looks, fleet.told], [2, []])
})

test('what only the user can help, and what does not answer, is not asked again', async () => {
  for (const error of [new Stalling('NotOwned', 'foreign'), new Unreachable('away'), new Waiting('Draining', 'w', 1)]) {
    const { one, seen } = target({ looks: [error] })
    await assert.rejects(run(settled(), one), error)
    assert.equal(seen.looks, 1)
  }
})

test('a change that is made and can not be seen yet is told', async () => {
  const fleet = settled()
  const { one } = target({ changes: [new Waiting('WaitingForTarget', 'not applied yet', 1)] })
  await assert.rejects(run(fleet, one), Waiting)
  assert.deepEqual(fleet.told, ['Repaired: database: table t'])
})
