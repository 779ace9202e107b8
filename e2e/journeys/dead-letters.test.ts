import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { type DeadLetter, deadLetterHeaders, deadLetterOf } from '@fleetloom/shared/dead-letters/dead-letter'
import { DRY_RUN_HEADER } from '@fleetloom/shared/dead-letters/replay'
import { batchInfo } from '@fleetloom/shared/pipeline/batch'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import type { Msg, Subscription } from '@nats-io/nats-core'
import { type ApiUnderTest, fleetDocument, startApiUnderTest } from './api-under-test.ts'

const FLEET = { namespace: 'cold', name: 'reefers' }
const LETTERS = '/v1/namespaces/cold/fleets/reefers/dead-letters'
const names = namesOf()
const document = fleetDocument(FLEET)

type View = { id: number; device: string; reason: string; body: string; text?: string; whole: boolean; hint: string }
type Page = { items: View[]; continue?: string }
type Result = { id: number; outcome: string; reason?: string; detail?: string }
type Replayed = { dryRun: boolean; results: Result[]; continue?: string }

let under: ApiUnderTest

before(async () => {
  under = await startApiUnderTest()
  await under.putFleet(document)
  await under.putFleet(fleetDocument({ namespace: 'cold', name: 'others' }))
  await under.client.jsm.streams.add({ name: names.deadLetters, subjects: [names.deadSubjects], allow_direct: true })
  await under.client.jsm.streams.add({
    name: names.stream(FLEET),
    subjects: [names.streamSubjects(FLEET)],
    allow_direct: true,
  })
})
after(() => under[Symbol.asyncDispose]())

const letterOf = (bytes: Uint8Array, change: Partial<DeadLetter> = {}): DeadLetter => ({
  fleet: FLEET,
  uid: document.uid,
  generation: 1,
  device: 'r-1',
  topic: 'fleets/cold/reefers/r-1/telemetry',
  stage: 'mqtt',
  reason: 'wrong_type',
  field: 'temperature',
  detail: 'temperature: expected a number',
  arrivalMs: 1_700_000_000_000,
  payloadBytes: bytes.length,
  payloadSha256: createHash('sha256').update(bytes).digest('hex'),
  ...change,
})

const put = async (body: string | Uint8Array, change: Partial<DeadLetter> = {}): Promise<number> => {
  const bytes = Buffer.from(body)
  const letter = letterOf(bytes, change)
  const subject = names.deadSubject(letter.fleet, letter.reason)
  return (await under.client.js.publish(subject, bytes, { headers: deadLetterHeaders(letter) })).seq
}

const empty = () => under.client.jsm.streams.purge(names.deadLetters)
const list = async (query = '') => (await under.send<Page>('GET', `${LETTERS}${query}`)).body
const replay = async (body: object) => (await under.send<Replayed>('POST', `${LETTERS}/replay`, { body })).body
const idsLeft = async () => (await list('?limit=500')).items.map(({ id }) => id)

/** Stands for the ingest replica that owns the fleet. */
const asIngest = (answer: (message: Msg) => object): Subscription & Disposable => {
  const subscription = under.client.connection.subscribe(names.replaySubject(FLEET), {
    callback: (_, message) => void message.respond(JSON.stringify(answer(message))),
  })
  return Object.assign(subscription, { [Symbol.dispose]: () => subscription.unsubscribe() })
}

test('a letter under this fleet’s subject is this fleet’s, whatever its headers say', async () => {
  await empty()
  const headers = deadLetterHeaders(letterOf(Buffer.from('{}'), { fleet: { namespace: 'warm', name: 'ovens' } }))
  await under.client.js.publish(names.deadSubject(FLEET, 'wrong_type'), '{}', { headers })
  using _ingest = asIngest(() => ({ outcome: 'stored' }))
  assert.deepEqual(
    (await replay({ filter: {} })).results.map(({ outcome }) => outcome),
    ['stored'],
  )
})

test('dead letters are shown with the bytes that were received, by device and by reason', async () => {
  await empty()
  const broken = Uint8Array.of(0xff, 0xfe, 0x00, 0x7b)
  const first = await put('{"temperature":"warm"}')
  const second = await put(broken, { reason: 'malformed_json', field: '', device: 'r-2' })
  await put('{}', { fleet: { namespace: 'cold', name: 'others' } })
  const { items, continue: next } = await list()
  assert.equal(next, undefined)
  assert.deepEqual(
    items.map(({ id }) => id),
    [first, second],
  )
  const { storedAt, payloadSha256, hint, ...shown } = items[0] as View & { storedAt: string; payloadSha256: string }
  assert.deepEqual(shown, {
    id: first,
    namespace: 'cold',
    fleet: 'reefers',
    uid: document.uid,
    device: 'r-1',
    topic: 'fleets/cold/reefers/r-1/telemetry',
    stage: 'mqtt',
    reason: 'wrong_type',
    field: 'temperature',
    detail: 'temperature: expected a number',
    payloadBytes: 22,
    generation: 1,
    arrivedAt: '2023-11-14T22:13:20.000Z',
    whole: true,
    body: Buffer.from('{"temperature":"warm"}').toString('base64'),
    text: '{"temperature":"warm"}',
  })
  assert.match(hint, /Send the type/)
  assert.deepEqual(Buffer.from(items[1]?.body ?? '', 'base64'), Buffer.from(broken))
  assert.equal(items[1]?.text, undefined)
  assert.deepEqual(
    (await list('?device=r-2')).items.map(({ id }) => id),
    [second],
  )
  assert.deepEqual(
    (await list('?reason=wrong_type')).items.map(({ id }) => id),
    [first],
  )
  assert.deepEqual((await list('?reason=wrong_type&device=r-2')).items, [])
  assert.equal((await under.send<View>('GET', `${LETTERS}/${first}`)).body.text, '{"temperature":"warm"}')
})

test('a letter of another fleet is not there for this one', async () => {
  const foreign = await put('{}', { fleet: { namespace: 'cold', name: 'others' } })
  assert.equal((await under.send('GET', `${LETTERS}/${foreign}`)).status, 404)
  assert.deepEqual((await replay({ ids: [foreign] })).results, [{ id: foreign, outcome: 'gone' }])
  assert.equal((await under.send('GET', `/v1/namespaces/cold/fleets/others/dead-letters/${foreign}`)).status, 200)
})

test('pages cover every letter once', async () => {
  await empty()
  const all = []
  for (let i = 0; i < 11; i++) all.push(await put(String(i), { device: `d-${i % 2}` }))
  const seen: number[] = []
  let token = ''
  do {
    const page = await list(`?limit=4${token}`)
    seen.push(...page.items.map(({ id }) => id))
    token = page.continue === undefined ? '' : `&continue=${page.continue}`
  } while (token)
  assert.deepEqual(seen, all)
})

test('a page ends early rather than grow beyond a megabyte of payloads', async () => {
  await empty()
  for (let i = 0; i < 4; i++) await put(Buffer.alloc(500_000, 97), { device: `big-${i}` })
  const seen: number[] = []
  let token = ''
  let pages = 0
  do {
    const page: Page = await list(`?limit=100${token}`)
    assert.ok(page.items.length <= 3)
    seen.push(...page.items.map(({ id }) => id))
    token = page.continue === undefined ? '' : `&continue=${page.continue}`
    pages++
  } while (token)
  assert.equal(seen.length, 4)
  assert.ok(pages >= 2)
})

test('an mqtt letter goes to the ingest that owns the fleet as it was received, and is removed once stored', async () => {
  await empty()
  const [good, bad] = [await put('{"temperature":1}'), await put('{"temperature":"x"}')]
  const taken: { body: string; letter: DeadLetter | undefined; dryRun: boolean }[] = []
  using _ingest = asIngest((message) => {
    const dryRun = message.headers?.has(DRY_RUN_HEADER) ?? false
    const body = message.string()
    taken.push({ body, letter: deadLetterOf(message.headers), dryRun })
    if (body.includes('x'))
      return { outcome: 'rejected', reason: 'wrong_type', field: 'temperature', detail: 'still text' }
    return { outcome: dryRun ? 'would_store' : 'stored' }
  })
  const rejected = { id: bad, outcome: 'rejected', reason: 'wrong_type', field: 'temperature', detail: 'still text' }
  assert.deepEqual(await replay({ filter: {}, dryRun: true }), {
    dryRun: true,
    results: [{ id: good, outcome: 'would_store' }, rejected],
  })
  assert.deepEqual(await idsLeft(), [good, bad])
  assert.deepEqual(await replay({ filter: {} }), {
    dryRun: false,
    results: [{ id: good, outcome: 'stored' }, rejected],
  })
  assert.deepEqual(await idsLeft(), [bad])
  assert.deepEqual(await replay({ ids: [good, bad] }), {
    dryRun: false,
    results: [{ id: good, outcome: 'gone' }, rejected],
  })
  assert.deepEqual(
    taken.map(({ dryRun }) => dryRun),
    [true, true, false, false, false],
  )
  assert.equal(taken[0]?.body, '{"temperature":1}')
  assert.equal(taken[0]?.letter?.arrivalMs, 1_700_000_000_000)
})

test('with no ingest there a letter stays and the outcome says why', async () => {
  await empty()
  const id = await put('{"temperature":1}')
  const { results } = await replay({ ids: [id] })
  assert.deepEqual(results, [
    {
      id,
      outcome: 'unavailable',
      detail: 'nobody answers for fleet cold/reefers now: no ingest owns it, or its stream is not there',
    },
  ])
  assert.deepEqual(await idsLeft(), [id])
})

test('a row letter goes back onto its device’s shard as a batch of one, unless its fleet was deleted meanwhile', async () => {
  await empty()
  const line = 'cold_reefers,device=r-1 temperature=1.5,digest=7i 1700000000000000000\n'
  const row = { stage: 'row', reason: 'database_rejected', topic: 'fleet.cold.reefers.telemetry.0' } as const
  const [id, foreign] = [await put(line, row), await put(line, { ...row, uid: 'uid-of-before' })]
  assert.deepEqual(
    (await replay({ ids: [id, foreign], dryRun: true })).results.map(({ outcome }) => outcome),
    ['would_store', 'rejected'],
  )
  const { results } = await replay({ ids: [id, foreign] })
  assert.deepEqual(
    results.map(({ outcome, reason }) => [outcome, reason]),
    [
      ['stored', undefined],
      ['rejected', 'foreign_fleet'],
    ],
  )
  const subject = document.stream.telemetrySubjects[shardOf('r-1', 4)] as string
  const message = await under.client.jsm.streams.getMessage(names.stream(FLEET), { last_by_subj: subject })
  assert.equal(message?.string(), line)
  assert.deepEqual(batchInfo(message?.header), {
    rows: 1,
    firstMicros: 1_700_000_000_000_000,
    lastMicros: 1_700_000_000_000_000,
    uid: document.uid,
    generation: 1,
    traceLinks: [],
  })
  assert.deepEqual(await idsLeft(), [foreign])
})

test('nothing is replayed into a fleet that is being removed: its letters stay', async () => {
  await empty()
  const line = 'cold_reefers,device=r-1 temperature=1.5,digest=7i 1700000000000000000\n'
  const id = await put(line, { stage: 'row', reason: 'database_rejected' })
  await under.putFleet({ ...document, phase: 'Draining' })
  const { status, body } = await under.send<{ detail: string }>('POST', `${LETTERS}/replay`, { body: { ids: [id] } })
  await under.putFleet(document)
  assert.deepEqual([status, body.detail], [409, 'fleet cold/reefers is being removed'])
  assert.deepEqual(await idsLeft(), [id])
})

test('a letter whose payload was cut can be read and not replayed', async () => {
  await empty()
  const id = await put('x'.repeat(100), { reason: 'payload_too_large', payloadBytes: 2_000_000 })
  assert.equal((await list()).items[0]?.whole, false)
  assert.deepEqual((await replay({ ids: [id] })).results, [
    { id, outcome: 'not_replayable', detail: 'only the beginning of the payload was kept' },
  ])
})

test('a replay by filter goes on where its limit ended it', async () => {
  await empty()
  for (let i = 0; i < 70; i++) await put(`{"temperature":${i}}`)
  using _ingest = asIngest(() => ({ outcome: 'stored' }))
  const first = await replay({ filter: { reason: 'wrong_type' }, limit: 50 })
  assert.equal(first.results.length, 50)
  const second = await replay({ filter: { reason: 'wrong_type' }, limit: 50, continue: first.continue })
  assert.equal(second.results.length, 20)
  assert.equal(second.continue, undefined)
  assert.deepEqual(await idsLeft(), [])
})

test('ids and filter together, or neither, are refused', async () => {
  for (const body of [{}, { ids: [1], filter: {} }, { ids: [] }, { filter: { reason: 'no_such' } }])
    assert.equal((await under.send('POST', `${LETTERS}/replay`, { body })).status, 400, JSON.stringify(body))
})
