import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generationOf, rollupUnion } from './rollup-union.ts'

const fleet = { namespace: 'cold', name: 'reefers' }
const column = (name: string) => ({ name, type: 'DOUBLE' })
const g1 = { view: 'cold_reefers_1h', generation: 1, columns: [column('t_max')] }
const g2 = { view: 'cold_reefers_1h_g2', generation: 2, columns: [column('t_max'), column('wind_max')] }
const select = [
  { measurement: 't', fold: 'max' },
  { measurement: 'wind', fold: 'max' },
  { measurement: 'never', fold: 'max' },
] as const

test('a view tells its generation by its name', () => {
  const generation = (view: string) => generationOf('fleetloom', fleet, '1h', view)
  assert.deepEqual(
    ['cold_reefers_1h', 'cold_reefers_1h_g2', 'cold_reefers_1h_g0', 'cold_reefers_1m', 'cold_reefers_1h_gx'].map(
      generation,
    ),
    [1, 2, undefined, undefined, undefined],
  )
})

test('one generation is read as it is', () => {
  assert.equal(
    rollupUnion({ generations: [g2], select, where: ["device = 'a'"] }),
    `(SELECT ts, device, "t_max", "wind_max" FROM "cold_reefers_1h_g2" WHERE device = 'a') TIMESTAMP(ts)`,
  )
})

test('an older generation is read only before the first step of every newer one, with null for what it lacks', () => {
  const g3 = { ...g2, view: 'cold_reefers_1h_g3', generation: 3 }
  assert.equal(
    rollupUnion({ generations: [g1, g3, g2], select: select.slice(0, 2) }),
    [
      '(SELECT ts, device, "t_max", cast(null as DOUBLE) "wind_max" FROM "cold_reefers_1h" ',
      'WHERE ts < (SELECT coalesce(min(ts), 4000000000000000L::timestamp) FROM "cold_reefers_1h_g3") ',
      'AND ts < (SELECT coalesce(min(ts), 4000000000000000L::timestamp) FROM "cold_reefers_1h_g2") ',
      'UNION ALL SELECT ts, device, "t_max", "wind_max" FROM "cold_reefers_1h_g2" ',
      'WHERE ts < (SELECT coalesce(min(ts), 4000000000000000L::timestamp) FROM "cold_reefers_1h_g3") ',
      'UNION ALL SELECT ts, device, "t_max", "wind_max" FROM "cold_reefers_1h_g3") TIMESTAMP(ts)',
    ].join(''),
  )
})
