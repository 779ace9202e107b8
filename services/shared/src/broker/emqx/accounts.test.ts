import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HASH_ITERATIONS, hashSecret, NO_SECRET, verifySecret } from '../../registry/secret.ts'
import { ForeignAccount } from '../broker.ts'
import { markOf, rulesOf } from './rules.ts'
import { ACL, account, startBroker } from './testing/adapter.ts'
import type { EmqxStandIn } from './testing/server.ts'

const NO_ACL = { publish: [], subscribe: [] }
const MARK = markOf('fleetloom')

const writes = ({ asked }: EmqxStandIn): string[] =>
  asked.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${decodeURIComponent(path)}`)
const clear = ({ asked }: EmqxStandIn): void => void asked.splice(0)

test('an account is listed as it was made', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const ingest = account('fleetloom_ingest_ns_f_0', {
    acl: { publish: ['p'], subscribe: ['$share/g/fleets/ns/f/+/telemetry', 'sensors/+/+'] },
  })
  assert.deepEqual(await broker.put([account('ns.d'), account('ns.off', { disabled: true }), ingest]), [
    { username: 'ns.d' },
    { username: 'ns.off' },
    { username: ingest.username },
  ])
  assert.deepEqual(
    [...(await broker.list()).values()].sort((a, b) => (a.username < b.username ? -1 : 1)),
    [
      { username: ingest.username, acl: ingest.acl, disabled: false },
      { username: 'ns.d', acl: ACL, disabled: false },
      { username: 'ns.off', acl: ACL, disabled: true },
    ],
  )
  assert.equal(emqx.state.users.get('ns.d')?.is_superuser, false)
})

test('a hash is stored in the form that EMQX checks: hexadecimal, with the salt as text', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const hash = hashSecret('hunter2')
  await broker.put([account('ns.d', { secret: { hash } })])
  const { password_hash = '', salt = '' } = emqx.state.users.get('ns.d') ?? {}
  assert.match(salt, /^[\w-]{12}$/)
  const back = {
    iterations: HASH_ITERATIONS,
    salt: Buffer.from(salt).toString('base64'),
    hash: Buffer.from(password_hash, 'hex').toString('base64'),
  }
  assert.equal(verifySecret('hunter2', back), true)
})

test('a secret never crosses the wire in plain', async () => {
  await using pair = await startBroker()
  await pair.broker.put([account('ns.d', { secret: { plain: 'hunter2' } })])
  assert.doesNotMatch(JSON.stringify(pair.emqx.asked), /hunter2/)
})

test('the rules stand before the user does, so nobody gets in without them', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  let early = false
  emqx.onDone = () => {
    early ||= emqx.state.users.has('ns.d') && !emqx.state.userRules.has('ns.d')
  }
  await broker.put([account('ns.d', { disabled: true })])
  assert.equal(early, false)
  assert.deepEqual(
    writes(emqx).map((what) => what.split('/').at(-1)),
    ['POST banned', 'users', 'import_users'],
  )
})

test('users and rules that do not bear our mark are never listed, changed or removed', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  emqx.state.users.set('ns.user', { user_id: 'ns.user', is_superuser: true })
  emqx.state.users.set('ns.other', { user_id: 'ns.other', is_superuser: false })
  emqx.state.userRules.set('ns.other', { username: 'ns.other', rules: rulesOf(ACL, markOf('other')) })
  const before = structuredClone(emqx.state)
  assert.deepEqual(await broker.list(), new Map())
  const names = ['ns.user', 'ns.other']
  const error = (username: string) => ({ username, error: new ForeignAccount(username).message })
  assert.deepEqual(await broker.put(names.map((name) => account(name, { disabled: true }))), names.map(error))
  assert.deepEqual(await broker.setAcl(names.map((username) => ({ username, acl: NO_ACL }))), names.map(error))
  assert.deepEqual(await broker.remove(names), names.map(error))
  await assert.rejects(broker.setDisabled('ns.user', true), ForeignAccount)
  await assert.rejects(broker.kick('ns.other'), ForeignAccount)
  assert.deepEqual(emqx.state, before)
})

test('one bad account in a bulk keeps none of the others out', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  emqx.state.users.set('ns.foreign', { user_id: 'ns.foreign', is_superuser: false })
  const bad = [
    account('+'),
    account('a/b'),
    account('ns.filter', { acl: { publish: [`u/\${username}`], subscribe: [] } }),
    account('ns.nohash', { secret: { hash: NO_SECRET } }),
    account('ns.foreign'),
    account('ns.many', { acl: { publish: Array.from({ length: 5_000 }, (_, i) => `t/${i}`), subscribe: [] } }),
  ]
  const good = Array.from({ length: 20 }, (_, i) => account(`ns.d${i}`))
  const results = await broker.put([...bad.slice(0, 3), ...good, ...bad.slice(3)])
  assert.deepEqual(
    results.filter(({ error }) => error !== undefined).map(({ username }) => username),
    bad.map(({ username }) => username),
  )
  assert.match(results.at(-1)?.error ?? '', /exceeds the maximum limit/)
  assert.equal((await broker.list()).size, 20)
})

test('an import that EMQX refuses as a whole is cut until the culprit stands alone', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const accounts = Array.from({ length: 8 }, (_, i) => account(`ns.d${i}`))
  emqx.onDone = ({ path }) => {
    if (path.endsWith('rules/users')) emqx.state.users.delete('ns.d3')
  }
  emqx.refuseImport = 'ns.d3'
  const results = await broker.put(accounts)
  assert.deepEqual(
    results.filter(({ error }) => error !== undefined).map(({ username }) => username),
    ['ns.d3'],
  )
  assert.equal(emqx.state.users.size, 7)
})

test('an import that failed in part is no success', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  emqx.failImport = 'ns.d3'
  const results = await broker.put(Array.from({ length: 8 }, (_, i) => account(`ns.d${i}`)))
  assert.deepEqual(
    results.filter(({ error }) => error !== undefined),
    [{ username: 'ns.d3', error: 'broker refused an import of users: 200 1 of 1 failed' }],
  )
  assert.equal(emqx.state.users.size, 7)
})

test('a record that another replica made meanwhile is written over, a foreign one is not', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const races = new Map([
    ['ns.ours', MARK],
    ['ns.theirs', markOf('other')],
  ])
  emqx.onDone = ({ method, path }) => {
    const name = path.split('/').at(-1) ?? ''
    const mark = races.get(name)
    if (method === 'GET' && path.includes('rules/users/') && mark !== undefined && races.delete(name))
      emqx.state.userRules.set(name, { username: name, rules: rulesOf(NO_ACL, mark) })
  }
  const results = await broker.put([account('ns.ours'), account('ns.theirs'), account('ns.free')])
  assert.deepEqual(results, [
    { username: 'ns.ours' },
    { username: 'ns.theirs', error: new ForeignAccount('ns.theirs').message },
    { username: 'ns.free' },
  ])
  assert.deepEqual((await broker.list()).get('ns.ours')?.acl, ACL)
})

test('a new secret ends the session that the old one opened, but never one of ingest', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const both = [account('ns.d'), account('fleetloom_ingest_ns_f_0')]
  await broker.put(both)
  for (const { username } of both) emqx.session(username)
  await broker.put(both)
  assert.deepEqual([...emqx.state.sessions.keys()], ['fleetloom_ingest_ns_f_0'])
})

test('a session that is there before its account does not get the account’s rights', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  emqx.session('ns.d')
  await broker.put([account('ns.d')])
  assert.equal(emqx.state.sessions.size, 0)
})

test('an equal ACL is not written again', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d')])
  clear(emqx)
  assert.deepEqual(await broker.setAcl([{ username: 'ns.d', acl: ACL }]), [{ username: 'ns.d' }])
  assert.deepEqual(writes(emqx), [])
})

test('an account that is not there gets no ACL', async () => {
  await using pair = await startBroker()
  assert.deepEqual(await pair.broker.setAcl([{ username: 'ns.d', acl: ACL }]), [
    { username: 'ns.d', error: 'the broker has no account ns.d' },
  ])
  assert.equal(pair.emqx.state.userRules.size, 0)
})

test('a subscription that is no longer allowed ends, and the session and the other subscriptions stay', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const username = 'fleetloom_ingest_ns_f_0'
  await broker.put([account(username, { acl: { publish: [], subscribe: ['old/+/t', '$share/g/new/+/t'] } })])
  const session = emqx.session(username, { subscriptions: ['old/+/t', '$share/g/new/+/t'], mqueue_len: 7 })
  assert.deepEqual(await broker.setAcl([{ username, acl: { publish: [], subscribe: ['$share/g/new/+/t'] } }]), [
    { username },
  ])
  assert.deepEqual(session.subscriptions, ['$share/g/new/+/t'])
  assert.ok(emqx.state.sessions.has(username))
  assert.ok(writes(emqx).includes('DELETE authorization/cache'))
})

test('a session that takes a moment to unsubscribe is waited for, and costs a device nothing', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const names = ['ns.d', 'fleetloom_ingest_ns_f_0']
  await broker.put(names.map((name) => account(name)))
  for (const name of names) emqx.session(name, { subscriptions: [...ACL.subscribe] })
  const looks = new Map<string, number>()
  emqx.onDone = ({ path }) => {
    const [, name = '', what = ''] = /clients\/(.+)\/(unsubscribe|subscriptions)/.exec(path) ?? []
    const session = emqx.state.sessions.get(name)
    if (what === 'unsubscribe') session?.subscriptions.push(...ACL.subscribe)
    if (what === 'subscriptions') looks.set(name, (looks.get(name) ?? 0) + 1)
    if (looks.get(name) === 3) session?.subscriptions.splice(0)
  }
  const results = await broker.setAcl(names.map((username) => ({ username, acl: NO_ACL })))
  assert.deepEqual(
    results,
    names.map((username) => ({ username })),
  )
  assert.deepEqual([...emqx.state.sessions.keys()], names)
})

test('a subscription that will not go costs a device its session, and is an error for ingest', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  const names = ['ns.d', 'fleetloom_ingest_ns_f_0']
  await broker.put(names.map((name) => account(name)))
  for (const name of names) emqx.session(name, { subscriptions: ['other'] })
  emqx.onDone = ({ path }) => {
    const name = /clients\/(.+)\/unsubscribe/.exec(path)?.[1]
    if (name !== undefined) emqx.state.sessions.get(name)?.subscriptions.push('other')
  }
  const results = await broker.setAcl(names.map((username) => ({ username, acl: NO_ACL })))
  assert.deepEqual(results, [
    { username: 'ns.d' },
    { username: names[1], error: `session ${names[1]} could not be unsubscribed from other` },
  ])
  assert.deepEqual([...emqx.state.sessions.keys()], [names[1]])
})

test('a crash between taking a right and ending its subscriptions is seen as drift and finished', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d')])
  const session = emqx.session('ns.d', { subscriptions: [...ACL.subscribe] })
  emqx.faults.push({ kind: 'reset', on: /v5\/clients/ })
  await assert.rejects(broker.setAcl([{ username: 'ns.d', acl: NO_ACL }]), { name: 'BrokerUnavailable' })
  emqx.faults.length = 0
  assert.deepEqual((await broker.list()).get('ns.d')?.acl.subscribe, ['!revocation not finished'])
  await broker.setAcl([{ username: 'ns.d', acl: NO_ACL }])
  assert.deepEqual(session.subscriptions, [])
  assert.deepEqual((await broker.list()).get('ns.d')?.acl, NO_ACL)
})

test('disabling bans the client id, which ends the session, and enabling lifts it', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d')])
  emqx.session('ns.d')
  emqx.session('another-id', { username: 'ns.d' })
  await broker.setDisabled('ns.d', true)
  assert.deepEqual([...emqx.state.sessions.keys()], [])
  assert.deepEqual(
    emqx.state.bans.map(({ as, who, by, until }) => ({ as, who, by, until })),
    [{ as: 'clientid', who: 'ns.d', by: MARK, until: 'infinity' }],
  )
  await broker.setDisabled('ns.d', true)
  assert.equal((await broker.list()).get('ns.d')?.disabled, true)
  await broker.setDisabled('ns.d', false)
  await broker.setDisabled('ns.d', false)
  assert.deepEqual(emqx.state.bans, [])
})

test('somebody else’s ban is told, and neither lifted nor taken for ours', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d')])
  emqx.state.bans.push({ as: 'clientid', who: 'ns.d', by: 'somebody', until: 'infinity' })
  await assert.rejects(broker.setDisabled('ns.d', true), { message: /bears a ban by somebody until infinity/ })
  await broker.setDisabled('ns.d', false)
  assert.equal(emqx.state.bans.length, 1)
  assert.equal((await broker.list()).get('ns.d')?.disabled, false)
})

test('a ban that ends by itself, as a device can bring upon itself, gives way to ours', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d')])
  emqx.state.bans.push({ as: 'clientid', who: 'ns.d', by: 'flapping detector', until: '2099-01-01T00:00:00+00:00' })
  await broker.setDisabled('ns.d', true)
  assert.deepEqual(
    emqx.state.bans.map(({ by, until }) => ({ by, until })),
    [{ by: MARK, until: 'infinity' }],
  )
})

test('a ban that is lifted while it stands in the way is made again', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d')])
  await broker.setDisabled('ns.d', true)
  emqx.onDone = ({ method, path }) => {
    if (method !== 'POST' || path !== 'banned') return
    emqx.state.bans.length = 0
    emqx.onDone = () => undefined
  }
  await broker.setDisabled('ns.d', true)
  assert.equal((await broker.list()).get('ns.d')?.disabled, true)
})

test('an account that was made a superuser can be disabled and kicked at once', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d')])
  emqx.state.users.set('ns.d', { user_id: 'ns.d', is_superuser: true })
  emqx.session('ns.d')
  await broker.kick('ns.d')
  assert.equal(emqx.state.sessions.size, 0)
  await broker.setDisabled('ns.d', true)
  assert.equal((await broker.list()).get('ns.d')?.disabled, true)
})

test('a session of ingest is neither kicked nor disabled: its queue would be lost', async () => {
  await using pair = await startBroker()
  const username = 'fleetloom_ingest_ns_f_0'
  await pair.broker.put([account(username)])
  pair.emqx.session(username)
  await assert.rejects(pair.broker.kick(username), { message: /its queue would be lost/ })
  await assert.rejects(pair.broker.setDisabled(username, true), { message: /its queue would be lost/ })
  assert.ok(pair.emqx.state.sessions.has(username))
})

test('removing takes rights, user, session, ban and record, and repeats as a success', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d', { disabled: true })])
  emqx.session('ns.d')
  clear(emqx)
  assert.deepEqual(await broker.remove(['ns.d', 'ns.absent']), [{ username: 'ns.d' }, { username: 'ns.absent' }])
  const { users, userRules, sessions, bans } = emqx.state
  assert.deepEqual([users.size, userRules.size, sessions.size, bans.length], [0, 0, 0, 0])
  assert.deepEqual(await broker.remove(['ns.d']), [{ username: 'ns.d' }])
})

test('a node that does not clear its cache keeps nobody’s session alive, and leaves a revocation unfinished', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.gone'), account('ns.less')])
  emqx.session('ns.gone')
  const session = emqx.session('ns.less', { subscriptions: [...ACL.subscribe] })
  emqx.faults.push({ kind: 'refused', on: /authorization\/cache/ })
  assert.deepEqual(await broker.remove(['ns.gone']), [{ username: 'ns.gone' }])
  const [less] = await broker.setAcl([{ username: 'ns.less', acl: NO_ACL }])
  assert.match(less?.error ?? '', /some nodes did not do it/)
  assert.deepEqual([[...emqx.state.sessions.keys()], session.subscriptions], [['ns.less'], []])
  emqx.faults.length = 0
  assert.deepEqual((await broker.list()).get('ns.less')?.acl.subscribe, ['!revocation not finished'])
  await broker.setAcl([{ username: 'ns.less', acl: NO_ACL }])
  assert.deepEqual((await broker.list()).get('ns.less')?.acl, NO_ACL)
})

test('a crash at any step of a removal leaves what is listed, and a session only while there is a user to be refused its rights', async () => {
  for (let step = 1; step < 8; step++) {
    await using pair = await startBroker()
    const { broker, emqx } = pair
    await broker.put([account('ns.d', { disabled: true })])
    emqx.session('ns.d')
    let done = 0
    emqx.onDone = ({ method }) => {
      if (method !== 'GET' && ++done === step) emqx.faults.push({ kind: 'reset' })
    }
    await broker.remove(['ns.d']).catch(() => undefined)
    emqx.onDone = () => undefined
    emqx.faults.length = 0
    assert.ok(!emqx.state.sessions.has('ns.d') || emqx.state.users.has('ns.d'), `after step ${step}`)
    assert.equal((await broker.list()).has('ns.d'), emqx.state.userRules.has('ns.d'), `after step ${step}`)
    assert.deepEqual(await broker.remove(['ns.d']), [{ username: 'ns.d' }], `after step ${step}`)
    const { users, userRules, sessions, bans } = emqx.state
    assert.deepEqual([users.size, userRules.size, sessions.size, bans.length], [0, 0, 0, 0], `after step ${step}`)
  }
})

test('an account whose user was lost, or made a superuser, is broken and is made whole', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.lost'), account('ns.super')])
  emqx.state.users.delete('ns.lost')
  emqx.state.users.set('ns.super', { user_id: 'ns.super', is_superuser: true })
  emqx.session('ns.super')
  const broken = async () => [...(await broker.list()).values()].filter(({ isBroken }) => isBroken).length
  assert.equal(await broken(), 2)
  await broker.put([account('ns.lost'), account('ns.super')])
  assert.equal(await broken(), 0)
  assert.equal((await broker.list()).size, 2)
  assert.equal(emqx.state.users.get('ns.super')?.is_superuser, false)
  assert.equal(emqx.state.sessions.size, 0, 'a superuser’s session keeps its rights until it ends')
})

test('rules of a client id, which come before the user’s, are drift that is taken away', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d')])
  emqx.state.clientRules.set('ns.d', { clientid: 'ns.d', rules: [] })
  emqx.state.clientRules.set('foreign', { clientid: 'foreign', rules: [] })
  assert.deepEqual((await broker.list()).get('ns.d')?.acl.subscribe, [...ACL.subscribe, '!rules of the client id'])
  await broker.setAcl([{ username: 'ns.d', acl: ACL }])
  assert.deepEqual([...emqx.state.clientRules.keys()], ['foreign'])
})

test('a broker without its authenticator or its source is not ready, rather than empty', async () => {
  await using pair = await startBroker()
  const { broker, emqx } = pair
  await broker.put([account('ns.d')])
  emqx.loseDatabase()
  await assert.rejects(broker.list(), { name: 'BrokerUnavailable', message: /the operator makes it/ })
  await assert.rejects(broker.ping(), { name: 'BrokerUnavailable', message: /no password authenticator/ })
  await assert.rejects(broker.put([account('ns.d')]), { name: 'BrokerUnavailable' })
  await broker.secureDefaults()
  await broker.ping()
  assert.deepEqual(await broker.list(), new Map())
})
