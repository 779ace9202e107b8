/** What the encoder writes, a real QuestDB reads back as it was sent: every type, every odd character, every kind of number. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FastDecoder, rowBound } from '@fleetloom/ingest/decode/fast'
import { judge } from '@fleetloom/ingest/decode/judge'
import { messageFrom } from '@fleetloom/ingest/decode/message'
import { compilePlan, type Plan } from '@fleetloom/ingest/decode/plan'
import { matchTopic, type TopicPattern } from '@fleetloom/ingest/decode/topic'
import fc from 'fast-check'
import { type QuestdbServer, startQuestdb } from '../kit/questdb.ts'
import { until } from '../kit/until.ts'
import { documentOf } from './ingest-under-test.ts'

const NOW_MS = Date.now()
const ROWS = 4_000
const TABLE = 'encoder_fleet'

const plan = compilePlan(
  documentOf(
    { namespace: 'encoder', name: 'fleet' },
    {
      measurements: [
        { name: 'd', type: 'Double' },
        { name: 'l', type: 'Long' },
        { name: 'b', type: 'Boolean' },
        { name: 's', type: 'Symbol' },
        { name: 'v', type: 'String' },
      ],
    },
  ),
)

type Reading = {
  readonly d?: number
  readonly l?: number
  readonly b?: boolean
  readonly s?: string
  readonly v?: string
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    ',',
    '=',
    '"',
    '\\',
    '\\\\',
    '\n',
    '\r',
    '\r\n',
    '\t',
    "'",
    '"\\',
    'a,b=c d',
    '😀',
    '\u007f',
    '\u2028',
  ),
)
const reading: fc.Arbitrary<Reading> = fc.record(
  {
    d: fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.constantFrom(0.1, -0, 1e21, 5e-324),
    ),
    l: fc.maxSafeInteger(),
    b: fc.boolean(),
    s: text.filter((value) => !value.includes('\0')),
    v: text,
  },
  { requiredKeys: [] },
)
const device = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)

/** The row that ingest would write: by the fast decoder where it takes the message, else by the judge. */
const encode = (plan: Plan, id: string, payload: string): string => {
  const message = messageFrom(`fleets/encoder/fleet/${id}/telemetry`, Buffer.from(payload), NOW_MS * 1000)
  assert.ok(matchTopic(plan.telemetry[0] as TopicPattern, message.bytes, message, message))
  const out = Buffer.alloc(rowBound(plan, message))
  const end = new FastDecoder(plan).json(message, out, 0)
  if (end >= 0) return out.toString('utf8', 0, end)
  const verdict = judge(plan, message, payload.length)
  assert.equal(verdict.kind, 'row', `${payload}: ${JSON.stringify(verdict)}`)
  return verdict.kind === 'row' ? verdict.row.line : ''
}

const authorization = ({ user, password }: QuestdbServer): string => `Basic ${btoa(`${user}:${password.value}`)}`

const write = async (questdb: QuestdbServer, body: string): Promise<void> => {
  const headers = { authorization: authorization(questdb) }
  const response = await fetch(`${questdb.url}/write?precision=n`, { method: 'POST', body, headers })
  assert.ok(response.ok, await response.text())
}

/** The rows in the order of their time. QuestDB leaves control characters in its JSON as they are. */
const read = async (questdb: QuestdbServer): Promise<unknown[][]> => {
  const query = `SELECT device, d, l, b, s, v, cast(digest AS STRING) FROM ${TABLE} ORDER BY ts`
  const headers = { authorization: authorization(questdb) }
  const answer = await (await fetch(`${questdb.url}/exec?${new URLSearchParams({ query })}`, { headers })).text()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped.
  const escaped = answer.replace(/[\u0000-\u001f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return (JSON.parse(escaped) as { dataset: unknown[][] }).dataset
}

test('what was sent is what the database gives back', async () => {
  await using questdb = await startQuestdb()
  await questdb.sql(
    `CREATE TABLE ${TABLE} (ts TIMESTAMP, device SYMBOL, digest LONG, d DOUBLE, l LONG, b BOOLEAN, s SYMBOL, v VARCHAR)
     TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, device, digest)`,
  )
  const sample = fc
    .sample(fc.tuple(device, reading), { numRuns: ROWS })
    .filter(([, values]) => Object.keys(values).length > 0)
  const lines = sample.map(([id, values], i) => encode(plan, id, JSON.stringify({ ts: NOW_MS - ROWS + i, ...values })))
  await write(questdb, lines.join(''))
  await write(questdb, lines.slice(0, 100).join(''))
  const rows = await until(
    async () => {
      const now = await read(questdb)
      return now.length >= sample.length ? now : undefined
    },
    { what: `${sample.length} rows`, deadlineMs: 20_000 },
  )
  const wellFormed = (value: string | undefined): string | null => value?.toWellFormed() ?? null
  assert.deepEqual(
    rows.map(([id, d, l, b, s, v]) => [id, d, l, b, s, v]),
    sample.map(([id, { d, l, b, s, v }]) => [
      ...[id, d === undefined ? null : d + 0, l === undefined ? null : l + 0],
      ...[b ?? false, wellFormed(s), wellFormed(v)],
    ]),
  )
  const digests = lines.map((line) => /digest=(-?\d+)i [0-9]+\n$/.exec(line)?.[1])
  assert.deepEqual(
    rows.map((row) => row.at(-1)),
    digests,
  )
})
