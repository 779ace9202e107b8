import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CITIES, type City, dailyWeather, hourlyNormals, parseCsv } from './recordings.ts'

const HOUR = 3_600_000
const CYCLE = { from: Date.UTC(2024, 0, 1), to: Date.UTC(2028, 0, 1) }

test('a table is read by the names in its first line', () => {
  assert.deepEqual(parseCsv('a,b\r\n1,2\r\n3,4\r\n'), [
    { a: '1', b: '2' },
    { a: '3', b: '4' },
  ])
})

test('every hour of the four-year cycle has a normal', async () => {
  const weatherAt = await hourlyNormals()
  for (let at = CYCLE.from; at < CYCLE.to; at += HOUR) {
    for (const value of Object.values(weatherAt(new Date(at)))) assert.ok(Number.isFinite(value))
  }
  assert.deepEqual(weatherAt(new Date('2025-01-01T02:00:00Z')), { pressure: 1016.6, temperature: 3.9, wind: 3.8 })
})

test('every day of the four-year cycle has the weather of both cities', async () => {
  const weatherOn = await dailyWeather()
  for (let at = CYCLE.from; at < CYCLE.to; at += 24 * HOUR) {
    for (const city of Object.keys(CITIES) as City[]) {
      const { weather, ...rest } = weatherOn(city, new Date(at))
      assert.match(weather, /^[a-z]+$/)
      for (const value of Object.values(rest)) assert.ok(Number.isFinite(value))
    }
  }
  const first = weatherOn('seattle', new Date('2024-01-01T00:00:00Z'))
  assert.deepEqual(first, { precipitation: 0, temp_max: 12.8, temp_min: 5, wind: 4.7, weather: 'drizzle' })
})
