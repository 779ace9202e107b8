/** AlertRules on a real API server: what kubectl apply refuses and in which words, with the operator there or not. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import https from 'node:https'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { topicClaimKey } from '@fleetloom/crds/names'
import { newAuthority } from '@fleetloom/shared/certificates/authority'
import { connectNats } from '@fleetloom/shared/nats'
import { fleetYaml, type KubePlatform, startKubePlatform } from '../cluster/kube-platform.ts'
import { chartYaml, type Kubernetes, operatorOn, RELEASE } from '../cluster/kubernetes.ts'
import { WEBHOOK_SECRET, webhookEnv } from '../cluster/webhook.ts'
import { ruleYaml } from '../journeys/rules-under-test.ts'
import { freePort } from '../kit/ports.ts'
import { until } from '../kit/until.ts'

const FLEET = { namespace: 'coldchain', name: 'reefers' }
const RULE = { namespace: 'coldchain', name: 'too-warm' }
const WHEN = "avg(temprature, '1m') > 8.0"
const WORDS = /unknown measurement|temprature/
const DAY_MS = 24 * 3_600_000
const APPLY_EVERY_MS = 200
/** A slower answer may be nobody's: the operator waits 2 s for the fleet, and the API server 5 s for the operator. */
const STALL_MS = 2_000

let kube: KubePlatform
let kubernetes: Kubernetes
let port: number
/** The authority that the operator is to replace, PEM. */
let aging: string
let applying: ReturnType<typeof startApplying>

const kubectl = (...args: string[]) => kubernetes.kubectl(args)
const bad = (when = WHEN, name = 'bad') => ruleYaml({ rule: { ...RULE, name }, when })

/** What kubectl complains about; '' when it does not. */
const complaint = (yaml: string, ...options: string[]): Promise<string> =>
  kubernetes.kubectl(['apply', '-f', '-', ...options], yaml).then(
    () => '',
    (error: Error) => error.message,
  )

/** What kubectl warns of while it applies. */
const warnings = (yaml: string): Promise<string> => {
  const { binaries, kubeconfig } = kubernetes.controlPlane
  const { promise, resolve } = Promise.withResolvers<string>()
  const args = ['--kubeconfig', kubeconfig, 'apply', '-f', '-']
  execFile(binaries.kubectl, args, (_, __, stderr) => resolve(stderr)).stdin?.end(yaml)
  return promise
}

type Secret = { readonly data: Readonly<Record<string, string>> }
const secretPath = `/api/v1/namespaces/${RELEASE.namespace}/secrets/${WEBHOOK_SECRET}`
const storedAll = async (): Promise<(key: string) => string> => {
  const { data } = await kubernetes.api.request<Secret>({ method: 'GET', path: secretPath })
  return (key) => Buffer.from(data[key] ?? '', 'base64').toString()
}
const stored = async (key: string): Promise<string> => (await storedAll())(key)
const authority = () => stored('ca.crt')

/** What was said of a bad rule, and what the Secret held afterwards. */
type Answer = { readonly said: string; readonly tookMs: number; readonly authority: string; readonly path: string }

const isRefused = ({ said }: Answer): boolean => WORDS.test(said)
const isReplaced = (answer: Answer): boolean => answer.authority !== aging

/** Applies a bad rule over and over. */
const startApplying = () => {
  const answers: Answer[] = []
  const stop = new AbortController()
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const startMs = performance.now()
      const said = await complaint(bad(), '--dry-run=server')
      const tookMs = performance.now() - startMs
      const secret = await storedAll()
      answers.push({ said, tookMs, authority: secret('ca.crt'), path: secret('path') })
      await sleep(APPLY_EVERY_MS)
    }
  }
  const running = run()
  running.catch(() => undefined)
  return {
    answers,
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await running
    },
  }
}

type Configuration = { readonly webhooks: readonly { readonly clientConfig: { readonly url: string } }[] }
const askedUrls = async (): Promise<string[]> => {
  const name = webhookEnv(port).WEBHOOK_CONFIGURATION
  const path = `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/${name}`
  const { webhooks } = await kubernetes.api.request<Configuration>({ method: 'GET', path })
  return webhooks.map(({ clientConfig }) => clientConfig.url)
}

/** Puts an authority that has lived nine tenths of its life, and gives its certificate. */
const putAgingAuthority = async (): Promise<string> => {
  const now = Date.now()
  const validity = { notBefore: new Date(now - 9 * DAY_MS), notAfter: new Date(now + DAY_MS) }
  const { certificate, key } = await newAuthority('aging', validity)
  const patch = JSON.stringify({ stringData: { 'ca.crt': certificate, 'ca.key': key } })
  await kubectl('patch', 'secret', WEBHOOK_SECRET, '-n', RELEASE.namespace, '--type=merge', '-p', patch)
  return certificate
}

/** Bad rules are applied before there is an operator: it replaces the authority some 15 s after its start. */
const prepare = async (started: Kubernetes): Promise<void> => {
  kubernetes = started
  aging = await putAgingAuthority()
  await kubectl('create', 'namespace', FLEET.namespace)
  const measurements = [
    { name: 'temperature', type: 'Double' },
    { name: 'door', type: 'Symbol' },
  ]
  await kubernetes.apply(fleetYaml(FLEET, { measurements }))
  applying = startApplying()
}

before(async () => {
  port = await freePort()
  kube = await startKubePlatform({ webhookPort: port, prepare })
  await kube.untilReady(FLEET)
  await until(() => applying.answers.some(isRefused), { what: 'the operator to be asked', deadlineMs: 30_000 })
})
after(async () => {
  await applying?.[Symbol.asyncDispose]()
  await kube?.[Symbol.asyncDispose]()
})

test('the certificate and its authority are replaced while rules are applied, and every bad one is refused', async () => {
  const { answers } = applying
  await until(() => answers.some(isReplaced), { what: 'another authority', deadlineMs: 60_000 })
  assert.equal(await stored('previous.crt'), aging)
  const path = await stored('path')
  assert.match(path, /^\/validate\/[0-9a-f]{64}$/)
  for (const url of await askedUrls()) assert.equal(url, `https://127.0.0.1:${port}${path}`)
  const signer = new X509Certificate(await authority())
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const request = https.request({
        host: '127.0.0.1',
        port,
        ca: signer.toString(),
        agent: false,
        method: 'POST',
        path: '/',
      })
      request
        .on('response', () => resolve('trusted'))
        .on('error', reject)
        .end()
    })
  await until(shown, { what: 'a certificate of the new authority', deadlineMs: 30_000 })
  const so = answers.length
  await until(() => answers.length >= so + 4, { what: 'more answers', deadlineMs: 30_000 })
  await applying[Symbol.asyncDispose]()
  const asked = answers.slice(answers.findIndex(isRefused))
  const taken = asked.filter((answer) => !isRefused(answer) && answer.tookMs < STALL_MS)
  assert.deepEqual(taken, [])
  assert.deepEqual([...new Set(asked.map((answer) => answer.path))], [path], 'the path stays')
  const replacedAt = asked.findIndex(isReplaced)
  const [before, after] = [asked.slice(0, replacedAt), asked.slice(replacedAt + 1)].map((some) =>
    some.filter(isRefused),
  )
  assert.ok(before?.length && after?.length, `${before?.length} refused before, ${after?.length} after`)
  process.stdout.write(`${before.length} bad rules were refused before it was replaced, ${after.length} afterwards\n`)
})

test("who can't read the Secret of the webhook learns nothing from it; helm's marks on it stay", async () => {
  await kubectl('create', 'rolebinding', 'tenant', '-n', FLEET.namespace, '--clusterrole=admin', '--user=tenant')
  for (const what of ['validatingwebhookconfigurations', `secrets/${WEBHOOK_SECRET}`]) {
    const scope = what.startsWith('secrets') ? RELEASE.namespace : FLEET.namespace
    const answer = await kubectl('auth', 'can-i', 'get', what, '-n', scope, '--as=tenant').catch(() => 'no')
    assert.doesNotMatch(answer, /^yes/, what)
  }
  const { metadata } = await kubernetes.api.request<{ metadata: { labels: object; annotations: object } }>({
    method: 'GET',
    path: secretPath,
  })
  assert.ok('app.kubernetes.io/name' in metadata.labels)
  assert.ok('helm.sh/resource-policy' in metadata.annotations)
})

test('a chart that is applied again leaves the certificate and the path as they are', async () => {
  const before = [await stored('ca.crt'), await stored('path')]
  const yaml = await chartYaml(kubernetes.controlPlane, { templates: ['operator-webhook.yaml'] })
  const secret = yaml.split('\n---\n').find((one) => /^kind: Secret$/m.test(one))
  await kubernetes.apply(secret ?? '')
  assert.deepEqual([await stored('ca.crt'), await stored('path')], before)
})

test('a bad expression is refused with position, reason and the nearest name; a good one is taken', async () => {
  const said = await complaint(bad())
  assert.match(said, /^The AlertRule "bad" is invalid: spec\.when: .*temprature.* at line 1, column 5; .*temperature/)
  assert.match(
    await complaint(bad('last(door) > 3')),
    /spec\.when: > compares .* a text and a number at line 1, column 1/,
  )
  assert.match(await complaint(bad("avg(temperature, '1m'")), /spec\.when: .* at line 1, column \d+/)
  assert.equal(await complaint(bad(), '--dry-run=server'), said)
  await kubernetes.apply(ruleYaml({ rule: RULE }))
  await kube.untilRuleSays(RULE, /^Accepted=True/)
  const patched = await kubectl(
    'patch',
    'ar',
    RULE.name,
    '-n',
    RULE.namespace,
    '--type=merge',
    '-p',
    JSON.stringify({ spec: { when: WHEN } }),
  ).catch((error: Error) => error.message)
  assert.match(patched, WORDS)
})

test('a fleet that is not there yet is no fault, and one that was applied a moment before is known', async () => {
  const other = { namespace: 'coldchain', name: 'later' }
  const rule = { ...RULE, name: 'waits' }
  await kubernetes.apply(ruleYaml({ rule, fleet: other.name, when: 'last(lux) > 3.0' }))
  await kube.untilRuleSays(rule, /^Accepted=False FleetNotFound/)
  const fleet = fleetYaml(other, { measurements: [{ name: 'lux', type: 'Double' }] })
  const second = ruleYaml({ rule: { ...rule, name: 'second' }, fleet: other.name, when: 'last(lux) > 4.0' })
  const third = ruleYaml({ rule: { ...rule, name: 'third' }, fleet: other.name, when: 'last(luxe) > 4.0' })
  assert.match(
    await complaint(`${fleet}\n---\n${second}\n---\n${third}\n`),
    /^The AlertRule "third" is invalid: spec\.when: .*lux/,
  )
  await kube.untilRuleSays(rule, /^Accepted=True/)
  await kubectl('delete', 'ar', 'waits', 'second', '-n', 'coldchain', '--timeout=60s')
  await kubectl('delete', 'df', 'later', '-n', 'coldchain', '--timeout=60s')
})

test('topics of another fleet are refused, in the words of the condition', async () => {
  const topics = { topics: { telemetry: ['fleets/{namespace}/{fleet}/{device}/telemetry'] } }
  assert.equal(await complaint(fleetYaml({ ...FLEET, name: 'apart' }, topics), '--dry-run=server'), '')
  const claim = { filter: 'fleets/coldchain/taken/+/telemetry', namespace: 'coldchain', name: 'holder' }
  await using nats = await connectNats('test', kube.platform.nats.settings())
  const kv = await nats.bucket('fleetloom-pipeline')
  await kv.put(topicClaimKey(claim.filter), JSON.stringify(claim))
  const said = () => complaint(fleetYaml({ ...FLEET, name: 'taken' }), '--dry-run=server')
  await until(async () => (await said()) !== '', { what: 'the conflict to be known' })
  assert.match(
    await said(),
    /^The DeviceFleet "taken" is invalid: spec\.topics: fleets\/coldchain\/taken\/\+\/telemetry overlaps with what fleet coldchain\/holder/,
  )
  await kv.delete(topicClaimKey(claim.filter))
})

test('a measurement that a rule needs can go, with a warning; the rule then says what is missing', async () => {
  const measurements = [{ name: 'door', type: 'Symbol' }]
  const said = await warnings(fleetYaml(FLEET, { measurements }))
  assert.match(said, /^Warning: rule coldchain\/too-warm can't be judged for this fleet: spec\.when: .*temperature/m)
  const words = await kube.untilRuleSays(RULE, /^Accepted=False InvalidExpression: spec\.when: .*temperature/)
  assert.ok(said.includes(words.replace(/^Accepted=False InvalidExpression: /, '')), `${words}\nis not in\n${said}`)
  await kubernetes.apply(fleetYaml(FLEET, { measurements: [...measurements, { name: 'temperature', type: 'Double' }] }))
  await kube.untilRuleSays(RULE, /^Accepted=True/)
})

test('a second replica, which does not lead, judges as well, with a certificate of the same authority', async () => {
  const second = await freePort()
  const env = { ...operatorOn(kubernetes.operatorKubeconfig), ...webhookEnv(second) }
  await using stack = new AsyncDisposableStack()
  stack.use(await kube.platform.another('operator', { replica: 'operator-2', env }))
  const review = {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      ...{ uid: 'u', kind: { kind: 'AlertRule' }, name: 'bad', namespace: 'coldchain' },
      object: { metadata: {}, spec: { fleet: FLEET.name, when: WHEN, notify: [], labels: {}, annotations: {} } },
    },
  }
  const ask = async (): Promise<{ response: { allowed: boolean; uid: string; status: { message: string } } }> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const [ca, path] = [await authority(), await stored('path')]
    const options = { host: '127.0.0.1', port: second, ca, agent: false, method: 'POST', path } as const
    https
      .request(options, async (response) => resolve(Buffer.concat(await response.toArray()).toString()))
      .on('error', reject)
      .end(JSON.stringify(review))
    return JSON.parse(await promise)
  }
  const { response } = await until(ask, { what: 'an answer', deadlineMs: 30_000 })
  assert.deepEqual([response.allowed, response.uid], [false, 'u'])
  assert.match(response.status.message, WORDS)
})

test('while no operator answers a bad rule is taken, and its condition says the same words afterwards', async () => {
  const refused = await complaint(bad())
  const words = refused.replace(/^The AlertRule "bad" is invalid: /, '')
  await kube.platform.operator.kill('SIGTERM')
  assert.equal(await complaint(bad()), '')
  await kube.platform.operator.start()
  const said = await kube.untilRuleSays({ ...RULE, name: 'bad' }, /^Accepted=False/, 60_000)
  assert.equal(said, `Accepted=False InvalidExpression: ${words}`)
  await kubectl('delete', 'ar', 'bad', '-n', 'coldchain', '--timeout=60s')
})
