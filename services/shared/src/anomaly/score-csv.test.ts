import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { fieldsOf, LONGEST_LINE, lineOf, linesOf } from './csv.ts'
import { observe } from './detector.ts'
import { scoreCsv } from './score-csv.ts'
import { initialState } from './state.ts'
import { gaussian } from './testing/series.ts'

const COLUMNS = { timestamp: 'timestamp', value: 'value' }

async function* chunks(...all: string[]): AsyncGenerator<string> {
  yield* all
}
const scored = async (input: string, columns = COLUMNS): Promise<string> =>
  (await Array.fromAsync(scoreCsv(chunks(input), columns))).join('')
const refused = (input: string, message: RegExp) => assert.rejects(scored(input), message)

test('each row gets the score that the detector gives it; timestamp and value stay as they were written', async () => {
  const next = gaussian(1)
  const state = initialState()
  const rows = Array.from({ length: 300 }, (_, i) => {
    const [timestamp, value] = [Date.UTC(2026, 0, 1, 0, i), i === 200 ? '1e2' : next().toFixed(3)]
    const written = new Date(timestamp).toISOString().slice(0, 19).replace('T', ' ')
    return { written, value, score: observe(state, timestamp, Number(value)).toFixed(9) }
  })
  const input = `timestamp,value\n${rows.map(({ written, value }) => `${written},${value}\n`).join('')}`
  const output = `timestamp,value,anomaly_score\n${rows.map((row) => `${Object.values(row).join(',')}\n`).join('')}`
  assert.equal(await scored(input), output)
  assert.ok(Number(rows[200]?.score) > 0.9)
})

test('other columns, CRLF, quotes, blank lines, a byte order mark and a missing last line end are taken', async () => {
  const input =
    '\uFEFFid,"the ""when""",note,temp\r\n1,"2026-01-01T00:00:00+02:00","a, b",20.5\r\n\r\n2,1767225600000,,"21"'
  assert.equal(
    await scored(input, { timestamp: 'the "when"', value: 'temp' }),
    'timestamp,value,anomaly_score\n2026-01-01T00:00:00+02:00,20.5,0.000000000\n1767225600000,21,0.000000000\n',
  )
})

test('lines are the same however the stream is cut', () =>
  fc.assert(
    fc.asyncProperty(fc.array(fc.stringMatching(/^[a-z,"]{0,5}$/)), fc.array(fc.nat(60)), async (lines, cuts) => {
      const whole = lines.map((line) => `${line}\r\n`).join('')
      const at = [0, ...cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length]
      const parts = at.slice(1).map((end, i) => whole.slice(at[i], end))
      assert.deepEqual(await Array.fromAsync(linesOf(chunks(...parts))), lines)
    }),
  ))

test('fields that were written are read back', () =>
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z ",]{0,6}$/), { minLength: 1 }), (fields) =>
      assert.deepEqual(fieldsOf(lineOf(fields).slice(0, -1)), fields),
    ),
  ))

test('a bad row is refused by line, column and value', async () => {
  await refused(
    'timestamp,value\n2026-01-01 00:00:00,1\n2026-01-01 00:05:00,warm\n',
    /^Error: line 3, column value: "warm" is not a number; correct or remove the row$/,
  )
  await refused('timestamp,value\nyesterday,1\n', /line 2, column timestamp: "yesterday" is not a date and time/)
  await refused('timestamp,value\n2026-13-01 00:00:00,1\n', /line 2, column timestamp: "2026-13-01 00:00:00"/)
  await refused('timestamp,value\n2026-01-01 00:00:00,\n', /line 2, column value: "" is not a number/)
  await refused('timestamp,value\n2026-01-01 00:00:00,Infinity\n', /line 2, column value: "Infinity" is not a number/)
  await refused('timestamp,value\n2026-01-01 00:00:00\n', /line 2, column value: there is no such field/)
  await refused('timestamp,value\n2026-01-01 00:00:00,"1\n', /line 2: field 2 has a stray or an open quote: "1/)
})

test('a file that is not what was said is refused', async () => {
  await refused('', /line 1: no header; expected the columns timestamp and value/)
  await refused('time,value\n', /line 1: no column timestamp among time, value/)
  await refused('x'.repeat(LONGEST_LINE + 1), /a line has more than 65536 characters/)
})

const CLI = join(import.meta.dirname, 'cli.ts')
const run = promisify(execFile)

test('the command scores standard input', async () => {
  const command = run(process.execPath, [CLI, '--value-column', 'temp'])
  command.child.stdin?.end('timestamp,temp\n2026-01-01 00:00:00,1\n')
  assert.deepEqual(await command, {
    stdout: 'timestamp,value,anomaly_score\n2026-01-01 00:00:00,1,0.000000000\n',
    stderr: '',
  })
})

test('the command fails with one line that says why', async () => {
  const command = run(process.execPath, [CLI])
  command.child.stdin?.end('timestamp,value\n2026-01-01 00:00:00,x\n')
  await assert.rejects(command, {
    code: 1,
    stderr: 'anomaly-score: line 2, column value: "x" is not a number; correct or remove the row\n',
  })
})

test('a reader that stops early is no fault of the command', async () => {
  const child = spawn(process.execPath, [CLI], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => undefined)
  child.stdin.write(`timestamp,value\n${'2026-01-01 00:00:00,1\n'.repeat(50_000)}`)
  await once(child.stdout, 'data')
  child.stdout.destroy()
  child.stdin.end()
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  assert.deepEqual({ errors, code }, { errors: '', code: 0 })
})
