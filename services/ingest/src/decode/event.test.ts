import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRejection } from '@fleetloom/shared/rows/rejection'
import { fleetDocument } from '../testing.ts'
import { decodeEvent } from './event.ts'
import { messageFrom } from './message.ts'
import { compilePlan } from './plan.ts'

const plan = compilePlan(fleetDocument())
const decode = (event: object) => {
  const message = messageFrom(
    'fleets/coldchain/reefers/reefer-7/events',
    Buffer.from(JSON.stringify(event)),
    1_700_000_000_000_000,
  )
  return decodeEvent(plan, message, 'reefer-7')
}

test('an event of a device is a row', () => {
  const row = decode({ type: 'opened' })
  assert.match(isRejection(row) ? row.detail : row.line, /^coldchain_events,fleet=reefers,device=reefer-7,type=opened,/)
})

test('no device can tell of its own presence: the event is set aside with the reason', () => {
  for (const type of ['device_online', 'device_offline'])
    assert.deepEqual(decode({ type }), {
      reason: 'invalid_event',
      field: 'type',
      detail: `${type} is told by the platform alone; use another type`,
    })
})
