import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { type DeadLetter, deadLetterHeaders } from '@fleetloom/shared/dead-letters/dead-letter'
import { replayOutcome } from '@fleetloom/shared/dead-letters/replay'
import { until } from '../kit/until.ts'
import { prepareLoad, untilComplete } from './ingest-load.ts'
import { type IngestUnderTest, metric, startIngestUnderTest } from './ingest-under-test.ts'

const FLEET = { namespace: 'leaving', name: 'fleet' }

const replay = async (under: IngestUnderTest) => {
  const text = '{"temperature":1}'
  const letter: DeadLetter = {
    fleet: FLEET,
    uid: 'any',
    generation: 1,
    device: 'd-1',
    topic: 'fleets/leaving/fleet/d-1/telemetry',
    stage: 'mqtt',
    reason: 'malformed_json',
    field: '',
    detail: '',
    arrivalMs: Date.now(),
    payloadBytes: text.length,
    payloadSha256: '',
  }
  const options = { headers: deadLetterHeaders(letter), timeout: 5_000 }
  const answer = await under.client.connection.request(namesOf().replaySubject(FLEET), text, options)
  return replayOutcome.parse(answer.json())
}

test('a fleet that is removed is drained: what its devices sent is stored, then its session ends', {
  timeout: 60_000,
}, async () => {
  await using under = await startIngestUnderTest()
  const ingest = await under.startIngest('ingest-0')
  const document = await under.makeFleet(FLEET)
  await under.untilSubscribed(document)
  const start = await prepareLoad(under, document)
  await ingest.kill()
  const load = await start({ rate: 0, count: 20_000 })
  const result = await load.done
  const draining = { ...document, generation: 2, phase: 'Draining' as const }
  await under.putDocument(draining)
  await ingest.start()
  const state = await until(
    async () => {
      const applied = await under.applied(FLEET)
      return applied?.state === 'Drained' ? applied : undefined
    },
    { what: 'Drained', deadlineMs: 30_000 },
  )
  assert.deepEqual([state.uid, state.generation], [document.uid, 2])
  assert.deepEqual(await untilComplete(under, document, result), { missing: 0, duplicates: 0, reordered: 0 })
  const { outcome, detail } = await replay(under)
  assert.deepEqual([outcome, detail], ['rejected', 'the fleet is being removed and takes no more readings'])

  const born = { ...document, uid: 'uid-born-again', generation: 1 }
  await under.removeDocument(FLEET)
  await under.putDocument(born)
  await under.untilSubscribed(born)
  assert.equal(await metric(ingest, 'fleetloom_ingest_connected'), 1)
  const connections = readFileSync(ingest.logFile, 'utf8').match(/"sessionPresent":(true|false)/g)
  assert.equal(connections?.at(-1), '"sessionPresent":false')
})
