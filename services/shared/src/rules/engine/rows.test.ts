import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Rows } from './rows.ts'

const COLUMNS = [
  { name: 'temperature', isText: false },
  { name: 'door', isText: true },
  { name: 'open', isText: false },
  { name: 'note', isText: true },
]

const readAll = (rows: Rows, body: string | Uint8Array): unknown[] => {
  const read: unknown[] = []
  rows.open(typeof body === 'string' ? Buffer.from(body) : body)
  while (rows.next()) {
    const device = Buffer.from(rows.bytes.subarray(rows.deviceStart, rows.deviceEnd)).toString()
    const values = [...rows.columns.subarray(0, rows.count)].map((column, i) => {
      const { name, isText } = COLUMNS[column] as (typeof COLUMNS)[number]
      return [name, isText ? rows.texts[i] : rows.numbers[i]]
    })
    const digest = BigInt(rows.high) * 1_000_000_000n + BigInt(rows.low)
    read.push({ device, micros: rows.micros, digest, ...Object.fromEntries(values) })
  }
  return read
}

test('rows are read in any order of columns, and unknown columns are stepped over', () => {
  const rows = new Rows('cold_reefers', COLUMNS)
  const body = [
    'cold_reefers,device=r-1,door=open temperature=4.5,digest=-123456789012345678i 1700000000000001000\n',
    'cold_reefers,door=half\\ open,other=x,device=r.2 weight=3i,open=t,note="a \\"b\\", c=d",digest=5i 1700000000000002000\n',
    'cold_reefers,device=r-1 open=f,temperature=-7.25e-3,digest=0i 1700000000000003000\n',
  ].join('')
  assert.deepEqual(readAll(rows, body), [
    { device: 'r-1', micros: 1_700_000_000_000_001, digest: -123456789012345678n, door: 'open', temperature: 4.5 },
    { device: 'r.2', micros: 1_700_000_000_000_002, digest: 5n, door: 'half open', open: 1, note: 'a "b", c=d' },
    { device: 'r-1', micros: 1_700_000_000_000_003, digest: 0n, open: 0, temperature: -0.00725 },
  ])
  assert.equal(rows.unreadable, 0)
})

test('a line that is no row is counted and passed over', () => {
  const rows = new Rows('t', COLUMNS)
  const good = 't,device=a temperature=1,digest=1i 1000\n'
  const bad = [
    '\n',
    'u,device=a temperature=1,digest=1i 1000\n',
    't,door=x temperature=1,digest=1i 1000\n',
    't,device= temperature=1,digest=1i 1000\n',
    't,device=a temperature=one,digest=1i 1000\n',
    't,device=a temperature=1 1000\n',
    't,device=a temperature=1,digest=1 1000\n',
    't,device=a temperature=1,digest=1i -1000\n',
    't,device=a temperature=1,digest=1i\n',
    't,device=a note="never closed,digest=1i 1000\n',
    't,device=a temperature=1,digest=1i 1000',
  ]
  for (const line of bad) {
    const before = rows.unreadable
    const isLast = !line.endsWith('\n')
    assert.equal(readAll(rows, good + line + (isLast ? '' : good)).length, isLast ? 1 : 2, JSON.stringify(line))
    assert.equal(rows.unreadable, before + 1, JSON.stringify(line))
  }
})

test('numbers are read as Number reads them', () => {
  const rows = new Rows('t', COLUMNS)
  fc.assert(
    fc.property(
      fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.float({ noNaN: true })),
      fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }),
      (number, digest) => {
        fc.pre(Number.isFinite(number))
        const [row] = readAll(rows, `t,device=a temperature=${number},digest=${digest}i 1000\n`)
        assert.deepEqual(row, { device: 'a', micros: 1, digest, temperature: number === 0 ? 0 : number })
      },
    ),
  )
})

test('any bytes are read without a throw', () => {
  const rows = new Rows('t', COLUMNS)
  const piece = fc.constantFrom(
    't,',
    'device=',
    'a',
    ' ',
    'temperature=',
    '1',
    ',',
    '"',
    '\\',
    '\n',
    'digest=1i',
    '1000\n',
    '=',
  )
  fc.assert(fc.property(fc.array(piece), (pieces) => void readAll(rows, pieces.join(''))))
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void readAll(rows, bytes)))
})
