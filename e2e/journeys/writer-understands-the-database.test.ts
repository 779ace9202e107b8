/** What QuestDB answers, asked of the real one: the table in services/shared/src/questdb/answer.ts must hold for the version in use. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Answer } from '@fleetloom/shared/questdb/answer'
import { createQuestdb } from '@fleetloom/shared/questdb/client'
import { startQuestdb } from '../kit/questdb.ts'
import { secretFile } from '../kit/secret-file.ts'
import { tempDir } from '../kit/temp.ts'

const stack = new AsyncDisposableStack()
after(() => stack.disposeAsync())
const server = stack.use(await startQuestdb())
const settings = { questdbUrl: server.url, questdbUser: server.user, questdbPasswordFile: server.password.file }
const client = stack.use(createQuestdb(settings))

const TABLE = 'answers'
const target = { table: TABLE, columns: ['ts', 'device', 'digest', 'a', 'b', 'c', 'd', 'e', 'late'] }
const T = '1700000000000000000'
const create = (name: string, more = '') =>
  server.sql(
    `CREATE TABLE "${name}" (ts TIMESTAMP, device SYMBOL, digest LONG, a DOUBLE, b LONG, c BOOLEAN, d SYMBOL, e VARCHAR) TIMESTAMP(ts) PARTITION BY DAY ${more}`,
  )
await create(TABLE, 'WAL DEDUP UPSERT KEYS(ts, device, digest)')

const write = (...lines: string[]): Promise<Answer> => client.write([Buffer.from(`${lines.join('\n')}\n`)], target)
const row = (fields: string, table = TABLE) => `${table},device=x ${fields},digest=1i ${T}`

test('rows as the encoder makes them are accepted, newlines, quotes and backslashes in text as well', async () => {
  const fields = ['a=1.5', 'a=3i', 'b=2i', 'c=t', 'd="sym"', 'e="one\\\ntwo"', 'e="say \\"hi\\" \\\\"']
  for (const each of fields) assert.deepEqual(await write(row(each)), { kind: 'accepted' }, each)
})

test('a fault of a row is told with its line, among good ones', async () => {
  const faults: [line: string, field: string, words: RegExp][] = [
    [row('a="text"'), 'a', /cast error from protocol type: STRING to column type: DOUBLE/],
    [row('b=1.5'), 'b', /cast error from protocol type: FLOAT to column type: LONG/],
    [row('c="text"'), 'c', /cast error/],
    [row('unheard=1.5'), 'unheard', /does not exist/],
    [row('a=1.5', 'elsewhere'), '', /table does not exist/],
    [row('a=1e999'), 'a', /field value is invalid/],
    [row('e="one\ntwo"'), 'e', /field value is invalid/],
    [`${TABLE},device=x a=1.5 notatime`, '', /Could not parse timestamp/],
    [`${TABLE},device=x a=1.5 -1`, '', /before 1970/],
    ['garbage', '', /No fields were provided/],
  ]
  for (const [line, field, words] of faults) {
    const answer = await write(row('a=1.5'), line)
    assert.ok(answer.kind === 'row_fault', `${line}: ${JSON.stringify(answer)}`)
    assert.deepEqual([answer.fault.field, answer.fault.line], [field, 2], line)
    assert.match(answer.fault.detail, words)
  }
})

test('the server fails over a value for its timestamp column: a suspect', async () => {
  const answer = await write(row('ts=5i'))
  assert.equal(answer.kind, 'suspect')
})

test('a column or table that the operator has yet to make blames no row, and works once it is there', async () => {
  assert.equal((await write(row('late=1.5'))).kind, 'unavailable')
  await server.sql(`ALTER TABLE ${TABLE} ADD COLUMN late DOUBLE`)
  assert.deepEqual(await write(row('late=1.5')), { kind: 'accepted' }, 'over a connection that does not remember')
  await server.sql(`DROP TABLE ${TABLE}`)
  client.renew()
  assert.equal((await write(row('a=1.5'))).kind, 'unavailable')
  await create(TABLE, 'BYPASS WAL')
  assert.equal((await write(row('a=1.5'))).kind, 'unavailable')
})

test('a wrong password, a wrong path and nobody there blame no row, and the probe says so', async () => {
  const wrong = secretFile(join(stack.use(tempDir()).path, 'wrong'))
  const changes = [
    { questdbPasswordFile: wrong.file },
    { questdbUrl: `${server.url}/elsewhere` },
    { questdbUrl: 'http://127.0.0.1:1' },
  ]
  for (const change of changes) {
    using other = createQuestdb({ ...settings, ...change })
    const answer = await other.write([Buffer.from(`${row('a=1.5')}\n`)], target)
    assert.equal(answer.kind, 'unavailable', JSON.stringify(answer))
    await assert.rejects(other.ping())
  }
  await client.ping()
})
