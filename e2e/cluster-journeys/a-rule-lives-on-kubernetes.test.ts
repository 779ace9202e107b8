/** The life of an AlertRule on a real API server: what kubectl shows, the secret it needs, and what is left when it goes. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { open, readSealKeys, ruleContext } from '@fleetloom/shared/alerts/seal'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { fleetYaml, type KubePlatform, startKubePlatform } from '../cluster/kube-platform.ts'
import { RELEASE } from '../cluster/kubernetes.ts'
import { reportShard, ruleDocument, ruleYaml } from '../journeys/rules-under-test.ts'
import { until } from '../kit/until.ts'

const FLEET = { namespace: 'coldchain', name: 'reefers' }
const RULE = { namespace: 'coldchain', name: 'too-warm' }
const HOOK = { webhook: { url: 'https://hooks.example.com/cold', secretRef: { name: 'hook' } } }
const SECRETS = ['first-hook-secret', 'second-hook-secret']

let kube: KubePlatform
let nats: Nats
let fleetUid: string

const kubectl = (...args: string[]) => kube.kubernetes.kubectl(args)
const rule = (spec: object = {}) =>
  ruleYaml({ rule: RULE, spec: { notify: [HOOK, { mqtt: {} }], severity: 'critical', ...spec } })

before(async () => {
  kube = await startKubePlatform()
  nats = await connectNats('test', kube.platform.nats.settings())
  await kubectl('create', 'namespace', FLEET.namespace)
  await kube.kubernetes.apply(fleetYaml(FLEET, { stream: { maxBytes: '16Mi', shards: 2 } }))
  fleetUid = (await kube.untilReady(FLEET)).metadata.uid
})
after(async () => {
  await nats?.[Symbol.asyncDispose]()
  await kube?.[Symbol.asyncDispose]()
})

type Judged = { readonly firing?: number; readonly pending?: number; readonly atMs?: number; readonly online?: number }

/** What both shards of the alerter would say; what fires is all in the first. */
const judge = async ({ firing = 0, pending = 0, atMs = Date.now(), online = 1 }: Judged): Promise<void> => {
  const { uid, generation } = (await kube.kubernetes.rule(RULE)).metadata
  for (const shard of [0, 1]) {
    const counts = shard === 0 ? { firing, pending } : { firing: 0, pending: 0 }
    await reportShard(nats, { ...FLEET, uid: fleetUid }, shard, {
      devices: { online, known: 2 },
      rules: [{ uid, generation, ...counts, lastEvaluatedMs: atMs }],
    })
  }
}

const firingNow = async () => (await kube.kubernetes.rule(RULE)).status?.firing

/** Judges until it shows: the alerter that runs here says that nothing fires whenever it has news, and may come in between. */
const untilJudged = <T>(judged: Judged, what: string, seen: () => Promise<T | false | undefined>): Promise<T> => {
  const look = async (): Promise<T | false | undefined> => {
    await judge(judged)
    return seen()
  }
  return until(look, { what, deadlineMs: 30_000, everyMs: 500 })
}

test('the operator may do what it must, and read no Secret but that of its own webhook', async () => {
  const can = (...what: string[]) =>
    kubectl('auth', 'can-i', ...what, `--as=system:serviceaccount:${RELEASE.namespace}:${RELEASE.name}-operator`).then(
      (answer) => answer.trim(),
      (error: Error) => error.message.trim() || 'no',
    )
  assert.equal(await can('patch', 'devicefleets', '--subresource=status', '-n', 'coldchain'), 'yes')
  for (const verb of ['get', 'list', 'watch', 'create', 'update', 'delete'])
    for (const namespace of ['coldchain', RELEASE.namespace, 'kube-system']) {
      const what = `${verb} secrets in ${namespace}`
      assert.notEqual(await can(verb, 'secrets', '-n', namespace), 'yes', what)
    }
  assert.equal(await can('get', `secrets/${RELEASE.name}-operator-webhook`, '-n', RELEASE.namespace), 'yes')
  for (const what of [
    'delete devicefleets',
    'create pods',
    'update leases',
    'get configmaps',
    'create rolebindings',
    'patch validatingwebhookconfigurations',
  ])
    assert.notEqual(await can(...what.split(' '), '-n', 'coldchain'), 'yes', what)
})

test('a secret that is not granted is named with the commands that grant it; with them it is read, and arrives sealed', async () => {
  const [first = '', second = ''] = SECRETS
  await kube.kubernetes.apply(rule())
  await kubectl('create', 'secret', 'generic', 'hook', '-n', RULE.namespace, `--from-literal=key=${first}`)
  await kubectl('create', 'secret', 'generic', 'other', '-n', RULE.namespace, '--from-literal=key=x')
  const refused = await kube.untilRuleSays(
    RULE,
    /^Accepted=False SecretNotReadable: Secret coldchain\/hook may not be read/,
  )
  const kinds = async () => (await ruleDocument(nats, RULE))?.notify.map(({ kind }) => kind)
  assert.deepEqual(await kinds(), ['mqtt'], 'the others hear of it meanwhile')
  const commands = [...refused.matchAll(/kubectl (create (?:role|rolebinding) .*?)(?= && | \()/g)].map(
    ([, one = '']) => one,
  )
  assert.equal(commands.length, 2, refused)
  for (const command of commands) await kubectl(...command.split(' '))

  const unlabelled = await kube.untilRuleSays(
    RULE,
    /^Accepted=False SecretNotReadable: Secret coldchain\/hook is not labelled/,
  )
  const [, labelling = ''] = /kubectl (label .*?) \(/.exec(unlabelled) ?? []
  await kubectl(...labelling.split(' '))
  await kube.untilRuleSays(RULE, /^Accepted=True/)
  const account = `--as=system:serviceaccount:${RELEASE.namespace}:${RELEASE.name}-operator`
  await assert.rejects(kubectl('get', 'secret', 'other', '-n', RULE.namespace, account), /forbidden/)

  const keys = await readSealKeys(kube.platform.platformKey.file)
  const secretOf = async (): Promise<string> => {
    const document = await ruleDocument(nats, RULE)
    const webhook = document?.notify.find((one) => one.kind === 'webhook')
    if (!document || !webhook?.secret) throw new Error('no secret')
    return open(keys, webhook.secret, ruleContext(document)).toString()
  }
  assert.equal(await secretOf(), first)
  const patch = JSON.stringify({ stringData: { key: second } })
  await kubectl('patch', 'secret', 'hook', '-n', RULE.namespace, '--type=merge', '-p', patch)
  await until(async () => (await secretOf()) === second, { what: 'the changed secret' })
  const events = await kubectl('get', 'events', '-n', RULE.namespace, '--output=json')
  const shown = await kubectl('get', 'ar', '-n', RULE.namespace, '--output=json')
  const log = readFileSync(kube.platform.operator.logFile, 'utf8')
  for (const secret of SECRETS) assert.ok(![events, shown, log].some((text) => text.includes(secret)))
})

test('kubectl get ar shows what fires, what is about to, and when it was judged', async () => {
  const columns = await untilJudged({ firing: 2, pending: 1 }, 'two to fire', async () => {
    const shown = await kubectl('get', 'ar', '-n', RULE.namespace)
    return / 2 +1 /.test(shown) ? shown : undefined
  })
  assert.match(
    columns,
    /^NAME +READY +FLEET +SEVERITY +FIRING +PENDING +EVALUATED +AGE\ntoo-warm +True +reefers +critical +2 +1 +\d+s +[\dms]+\n$/,
  )
  const online = async () => (await kube.kubernetes.fleet(FLEET)).status?.devices?.online
  await untilJudged({ firing: 2, pending: 1 }, 'two online', async () => (await online()) === 2)
})

test('an alerter that judges on and on with the same outcome causes no write; one that changes causes one', async () => {
  const version = async () => (await kube.kubernetes.rule(RULE)).metadata.resourceVersion
  const writes = () => kube.metric('fleetloom_operator_external_writes_total')
  const looks = () => kube.metric('fleetloom_operator_reconcile_duration_seconds_count')
  const atMs = Date.now()
  await judge({ firing: 2, pending: 1, atMs })
  const quiet = async () => {
    const [wrote, looked] = [await writes(), await looks()]
    let steps = 0
    await until(
      async () => {
        await judge({ firing: 2, pending: 1, atMs: atMs + ++steps })
        return (await looks()) >= looked + 8
      },
      { what: 'eight more looks', deadlineMs: 30_000 },
    )
    return (await writes()) === wrote
  }
  await until(quiet, { what: 'no more writes', deadlineMs: 60_000 })
  const before = await version()
  await untilJudged(
    { firing: 3, pending: 0, atMs: atMs + 5_000 },
    'three to fire',
    async () => (await firingNow()) === 3,
  )
  assert.notEqual(await version(), before)
})

test('a rule that is deleted leaves nothing, and one with a fleet that is gone waits', async () => {
  await kubectl('delete', 'ar', RULE.name, '-n', RULE.namespace, '--timeout=60s')
  assert.equal(await ruleDocument(nats, RULE), undefined)
  await kube.kubernetes.apply(rule({ notify: [] }))
  await kube.untilRuleSays(RULE, /^Accepted=True/)
  await untilJudged({ firing: 2, pending: 1 }, 'two to fire', async () => (await firingNow()) === 2)
  await kubectl('delete', 'df', FLEET.name, '-n', FLEET.namespace, '--timeout=60s')
  await kube.untilRuleSays(
    RULE,
    /^Accepted=False FleetNotFound: there is no fleet coldchain\/reefers yet; the rule waits for it/,
  )
  const { firing, pending } = (await kube.kubernetes.rule(RULE)).status ?? {}
  assert.deepEqual({ firing, pending }, { firing: 0, pending: 0 })
  await kubectl('delete', 'ar', RULE.name, '-n', RULE.namespace, '--timeout=60s')
})
