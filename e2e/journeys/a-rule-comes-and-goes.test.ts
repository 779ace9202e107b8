/** An AlertRule in a folder of manifests: what it becomes, what is said of it, and what is left when it goes. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fleetKey, type Ref } from '@fleetloom/crds/names'
import { open, readSealKeys, ruleContext } from '@fleetloom/shared/alerts/seal'
import { parseFleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { tempDir } from '../kit/temp.ts'
import { until } from '../kit/until.ts'
import { FLEET, manifest, names, type OperatorPlatform, startOperatorPlatform } from './operator-under-test.ts'
import { reportShard, ruleDocument, ruleYaml } from './rules-under-test.ts'

const RULE: Ref = { namespace: 'cold', name: 'too-warm' }
const NOTIFY = [
  { alertmanager: {} },
  { webhook: { url: 'https://hooks.example.com/cold', secretRef: { name: 'hook' } } },
  { mqtt: {} },
]

type Shown = {
  readonly metadata: { readonly uid: string; readonly generation: number }
  readonly status?: {
    readonly conditions: readonly { type: string; status: string; reason: string; message: string }[]
    readonly firing?: number
    readonly pending?: number
    readonly lastEvaluated?: string
    readonly devices?: object
  }
}

const stack = new AsyncDisposableStack()
let platform: OperatorPlatform
let secrets: string

const putSecret = (text: string): void => {
  mkdirSync(join(secrets, 'cold', 'hook'), { recursive: true })
  writeFileSync(join(secrets, 'cold', 'hook', 'key'), text)
}

before(async () => {
  secrets = stack.use(tempDir('secrets')).path
  const env = { operator: { SECRETS: secrets, ALERTS_TTL: '90d' } }
  platform = await startOperatorPlatform(stack, { env })
})
after(() => stack.disposeAsync())

const shown = async ({ namespace, name }: Ref): Promise<Shown | undefined> => {
  const response = await fetch(`${platform.operator.url}/status?output=json`)
  const { resources } = (await response.json()) as { resources: (Shown & { metadata: Ref })[] }
  return resources.find(({ metadata }) => metadata.name === name && metadata.namespace === namespace)
}

const untilSaid = (words: RegExp, rule = RULE): Promise<string> =>
  until(
    async () => {
      const { conditions = [] } = (await shown(rule))?.status ?? {}
      const said = conditions.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`)
      const found = said.find((one) => words.test(one))
      if (found === undefined) throw new Error(`it was said:\n${said.join('\n')}`)
      return found
    },
    { what: `a condition like ${words}`, deadlineMs: 20_000, everyMs: 100 },
  )

/** UID of the fleet as the data plane knows it. */
const fleetUid = async (): Promise<string> => {
  const entry = await (await platform.admin.bucket(names.buckets.pipeline)).get(fleetKey(FLEET))
  const parsed = parseFleetDocument(entry?.value ?? new Uint8Array())
  if ('error' in parsed) throw new Error(parsed.error)
  return parsed.ok.uid
}

/** All four shards judge the rule; the first has what fires. */
const judge = async (firing: number, lastEvaluatedMs: number): Promise<void> => {
  const { uid, generation } = (await shown(RULE))?.metadata ?? { uid: '', generation: 0 }
  const fleet = { ...FLEET, uid: await fleetUid() }
  for (const shard of [0, 1, 2, 3])
    await reportShard(platform.admin, fleet, shard, {
      devices: { online: 2, known: 3 },
      rules: [{ uid, generation, firing: shard === 0 ? firing : 0, pending: 0, lastEvaluatedMs }],
    })
}

test('a rule waits for its fleet, and for the alerter to judge it: quietly at first, then with a warning', async () => {
  const warned = async () => (await platform.events()).some(({ reason }) => reason === 'WaitingForAlerter')
  await platform.alerter.kill('SIGTERM')
  platform.apply('rule.yaml', ruleYaml({ rule: RULE, spec: { notify: NOTIFY } }))
  await untilSaid(/^Accepted=False FleetNotFound: there is no fleet cold\/reefers yet; the rule waits for it$/)
  assert.equal(await ruleDocument(platform.admin, RULE), undefined)
  platform.apply('reefers.yaml', manifest())
  await untilSaid(/^PipelineReady=Unknown WaitingForAlerter: .*generation 1 yet \(shard 0, 1, 2, 3\)/)
  assert.equal(await warned(), false)
  await untilSaid(/^PipelineReady=False WaitingForAlerter: .*generation 1 yet \(shard 0, 1, 2, 3\)/)
  assert.equal(await warned(), true)
  await platform.alerter.start()
})

test('a webhook whose secret is missing is left out and named; its secret arrives sealed; a changed one is taken over', async () => {
  await untilSaid(
    /^Accepted=False SecretNotReadable: there is no file cold\/hook\/key below --secrets; put the secret there/,
  )
  const kinds = async () => (await ruleDocument(platform.admin, RULE))?.notify.map(({ kind }) => kind)
  assert.deepEqual(await kinds(), ['alertmanager', 'mqtt'])
  putSecret('first-secret\n')
  await untilSaid(/^Accepted=True/)
  const keys = await readSealKeys(platform.platformKey.file)
  const secretOf = async (): Promise<string> => {
    const document = await ruleDocument(platform.admin, RULE)
    const webhook = document?.notify.find((one) => one.kind === 'webhook')
    if (!document || !webhook?.secret) throw new Error('no secret')
    return open(keys, webhook.secret, ruleContext(document)).toString()
  }
  assert.equal(await secretOf(), 'first-secret')
  putSecret('second-secret')
  await until(async () => (await secretOf()) === 'second-secret', { what: 'the changed secret', deadlineMs: 15_000 })
  const everything =
    JSON.stringify([await shown(RULE), await platform.events()]) + readFileSync(platform.operator.logFile, 'utf8')
  assert.doesNotMatch(everything, /(first|second)-secret/)
})

test('what fires shows in the status of the rule, who is online in that of the fleet', async () => {
  // The alerter's own first reports would take the place of ours.
  await untilSaid(/^PipelineReady=True/)
  await judge(2, Date.parse('2026-01-01T12:00:00Z'))
  await until(async () => (await shown(RULE))?.status?.firing === 2, { what: 'two to fire', deadlineMs: 15_000 })
  const { firing, pending, lastEvaluated } = (await shown(RULE))?.status ?? {}
  assert.deepEqual(
    { firing, pending, lastEvaluated },
    { firing: 2, pending: 0, lastEvaluated: '2026-01-01T12:00:00.000Z' },
  )
  await untilSaid(/^Ready=True/)
  await until(async () => JSON.stringify((await shown(FLEET))?.status?.devices) === '{"registered":0,"online":8}', {
    what: 'the devices online',
    deadlineMs: 15_000,
  })
  const page = await (await fetch(`${platform.operator.url}/status?output=table`)).text()
  assert.match(page, /^cold +too-warm +True +Converged +reefers +warning +2 +0 /m)
})

test('the platform keeps a stream, a table and an account for alerts, and puts right what is changed by hand', async () => {
  const { admin, sql, accounts } = platform
  const user = { username: 'fleetloom_alerter', disabled: false }
  const acl = { publish: ['fleets/cold/+/+/alerts'], subscribe: [] }
  assert.deepEqual((await accounts.list()).get(user.username), { ...user, acl })
  const config = async () => (await admin.jsm.streams.info(names.alertStream)).config
  const { subjects, discard, max_age, max_bytes, allow_direct } = await config()
  assert.deepEqual(
    { subjects, discard, max_age, max_bytes, allow_direct },
    { subjects: ['alert.>'], discard: 'new', max_age: 604_800_000_000_000, max_bytes: 268_435_456, allow_direct: true },
  )
  type Table = { partitionBy: string; ttlValue: number; ttlUnit: string; dedup: boolean }
  const table = async () =>
    (await sql<Table>(`SELECT partitionBy, ttlValue, ttlUnit, dedup FROM tables() WHERE table_name = 'alerts'`))[0]
  assert.deepEqual(await table(), { partitionBy: 'MONTH', ttlValue: 4, ttlUnit: 'MONTH', dedup: true })

  await admin.jsm.streams.update(names.alertStream, { max_bytes: 1_000_000 })
  await accounts.setAcl([{ username: user.username, acl: { publish: ['#'], subscribe: [] } }])
  await sql('DROP TABLE alerts')
  await until(async () => (await config()).max_bytes === 268_435_456, { what: 'the stream', deadlineMs: 15_000 })
  await until(async () => (await table()) !== undefined, { what: 'the table', deadlineMs: 15_000 })
  await until(async () => (await accounts.list()).get(user.username)?.acl.publish[0] !== '#', { what: 'the account' })
  assert.deepEqual((await accounts.list()).get(user.username), { ...user, acl })
})

test('a stream of alerts that is not ours is said at every rule, until it is', async () => {
  const { metadata = {} } = (await platform.admin.jsm.streams.info(names.alertStream)).config
  await platform.admin.jsm.streams.update(names.alertStream, { metadata: {} })
  await untilSaid(
    /^PipelineReady=False HistoryNotReady: stream alerts was not made by this installation; delete it or /,
  )
  await platform.admin.jsm.streams.update(names.alertStream, { metadata })
  await untilSaid(/^Ready=True/)
})

test('a document that is changed or lost is put right; an untouched rule writes nothing', async () => {
  const kv = await platform.admin.bucket(names.buckets.pipeline)
  const wanted = await ruleDocument(platform.admin, RULE)
  await kv.put('rule.cold.too-warm', JSON.stringify({ ...wanted, when: 'true' }))
  await until(async () => (await ruleDocument(platform.admin, RULE))?.when === wanted?.when, {
    what: 'the expression',
    deadlineMs: 15_000,
  })
  await kv.delete('rule.cold.too-warm')
  await until(async () => (await ruleDocument(platform.admin, RULE)) !== undefined, {
    what: 'the document',
    deadlineMs: 15_000,
  })
  const quiet = async () => {
    const looks = async () => {
      const page = await (await fetch(`${platform.operator.url}/metrics`)).text()
      return Number(/reconcile_duration_seconds_count\{kind="AlertRule"\} (\d+)/.exec(page)?.[1] ?? 0)
    }
    const writes = async () => {
      const page = await (await fetch(`${platform.operator.url}/metrics`)).text()
      const lines = page.split('\n').filter((line) => line.startsWith('fleetloom_operator_external_writes_total{'))
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
    }
    const [looked, wrote] = [await looks(), await writes()]
    await until(async () => (await looks()) >= looked + 3, { what: 'three looks', deadlineMs: 20_000 })
    return (await writes()) === wrote
  }
  await until(quiet, { what: 'no more writes', deadlineMs: 60_000 })
})

test('a bad expression, or a fleet that loses what it reads, is said with its place; the last good document goes on', async () => {
  const before = await ruleDocument(platform.admin, RULE)
  platform.apply('rule.yaml', ruleYaml({ rule: RULE, when: 'last(temprature) > 8.0', spec: { notify: NOTIFY } }))
  await untilSaid(
    /^Accepted=False InvalidExpression: spec\.when: unknown measurement temprature at line 1, column 6; did you mean temperature\?$/,
  )
  assert.deepEqual(await ruleDocument(platform.admin, RULE), before)
  platform.apply('rule.yaml', ruleYaml({ rule: RULE, spec: { notify: NOTIFY } }))
  await untilSaid(/^Accepted=True/)
  platform.apply('reefers.yaml', manifest({ measurements: { wind: 'Double' } }))
  await untilSaid(/^Accepted=False InvalidExpression: spec\.when: unknown measurement temperature at line 1, column 6/)
  platform.apply('reefers.yaml', manifest())
  await untilSaid(/^Accepted=True/)
})

test('no rule publishes where its fleet reads; one that did before the fleet read there says so', async () => {
  const topic = 'fleets/{namespace}/{fleet}/{device}/telemetry'
  platform.apply('rule.yaml', ruleYaml({ rule: RULE, spec: { notify: [{ mqtt: { topic } }] } }))
  await untilSaid(
    /^Accepted=False TopicConflict: spec\.notify\[0\]\.mqtt\.topic: fleets\/cold\/reefers\/\+\/telemetry overlaps with /,
  )
  platform.apply('rule.yaml', ruleYaml({ rule: RULE, spec: { notify: NOTIFY } }))
  await untilSaid(/^Accepted=True/)
  platform.apply(
    'reefers.yaml',
    manifest({ spec: ["topics: {events: ['fleets/{namespace}/{fleet}/{device}/alerts']}"] }),
  )
  await untilSaid(/^Accepted=False TopicConflict: .*\/alerts overlaps with /)
  platform.apply('reefers.yaml', manifest())
  await untilSaid(/^Accepted=True/)
})

test('a suspended rule is told to the alerter', async () => {
  platform.apply('rule.yaml', ruleYaml({ rule: RULE, spec: { suspend: true } }))
  await untilSaid(/^Ready=False Suspended: spec\.suspend is true: the rule is not judged, and its alerts resolve$/)
  assert.equal((await ruleDocument(platform.admin, RULE))?.suspend, true)
})

test('a rule that is removed takes its document and the right on its topics along', async () => {
  platform.remove('rule.yaml')
  await until(async () => (await shown(RULE)) === undefined, { what: 'the rule to go', deadlineMs: 20_000 })
  assert.equal(await ruleDocument(platform.admin, RULE), undefined)
  assert.deepEqual((await platform.accounts.list()).get('fleetloom_alerter')?.acl, { publish: [], subscribe: [] })
})
