import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeviceTable } from './device-table.ts'

test('ids of all lengths are found among each other, as they come and go', () => {
  const table = new DeviceTable()
  const ids = Array.from({ length: 700 }, (_, i) => `${i}`.padStart(1 + ((i * 37) % 128), 'x').slice(0, 128))
  const known = [...new Set(ids)]
  const places = known.map((id) => table.add(id))
  assert.deepEqual(
    known.map((id) => table.findId(id)),
    places,
  )
  assert.equal(table.size, known.length)
  assert.equal(table.findId(`${known[5]}y`), -1)
  for (const place of places.slice(0, 100)) table.remove(place)
  assert.equal(table.findId(known[5] as string), -1)
  const again = table.add('again')
  assert.ok(again < 100)
  assert.equal(table.findId('again'), again)
  assert.deepEqual(
    known.slice(100).map((id) => table.findId(id)),
    places.slice(100),
  )
})

test('an id is looked up where it stands in the bytes', () => {
  const table = new DeviceTable()
  const device = table.add('r-1')
  const bytes = Buffer.from('table,device=r-1,r-12')
  assert.equal(table.find(bytes, 13, 16), device)
  assert.equal(table.find(bytes, 17, 21), -1)
  assert.equal(table.find(bytes, 13, 15), -1)
})
