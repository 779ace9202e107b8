import assert from 'node:assert/strict'
import { test } from 'node:test'
import { label } from '@fleetloom/crds/names'
import { createLogger } from '@fleetloom/shared/process/logger'
import { Registry } from 'prom-client'
import { createController, kindOf } from './controller.ts'
import type { KindDefinition } from './kind.ts'
import { aResource, manualClock, memorySource } from './testing.ts'

test('what is related to a changed resource is looked at again, and a fault in that stops nothing', async () => {
  const clock = manualClock()
  const looked: string[] = []
  const { source } = memorySource(aResource())
  const definition = (kind: 'DeviceFleet' | 'AlertRule'): KindDefinition<unknown, undefined> => ({
    kind,
    gather: async () => undefined,
    steps: [
      {
        condition: 'Accepted',
        after: [],
        run: async () => {
          looked.push(kind)
          return undefined
        },
      },
    ],
  })
  const asked: string[] = []
  const related: KindDefinition<unknown, undefined>['related'] = async (changed, ref) => {
    asked.push(`${changed} ${label(ref)}`)
    if (changed === 'AlertRule') throw new Error('not to be found')
    return [{ namespace: ref.namespace, name: 'warm' }]
  }
  let change: Parameters<typeof source.start>[0] = () => undefined
  const start = async (onChange: typeof change): Promise<void> => {
    change = onChange
  }
  await using controller = createController(
    {
      source: { ...source, start },
      log: createLogger('test', 'fatal'),
      registry: new Registry(),
      workers: 1,
      resyncMs: 1_000,
      clock,
    },
    kindOf(definition('DeviceFleet')),
    kindOf({ ...definition('AlertRule'), related }),
  )
  await controller.start()
  change('DeviceFleet', { namespace: 'ns', name: 'fleet' })
  await clock.settle()
  assert.deepEqual([asked.splice(0), looked.splice(0)], [['DeviceFleet ns/fleet'], ['DeviceFleet', 'AlertRule']])
  change('AlertRule', { namespace: 'ns', name: 'warm' })
  await clock.settle()
  assert.deepEqual([asked, looked], [['AlertRule ns/warm'], ['AlertRule']])
})
