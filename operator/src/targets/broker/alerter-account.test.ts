import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesOf, type Ref } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { Account, AccountResult, Broker } from '@fleetloom/shared/broker/broker'
import { accountList } from './account-list.ts'
import { AlerterAccount } from './alerter-account.ts'

const USER = 'fleetloom_alerter'
const RULE = { namespace: 'cold', name: 'other' }
const publishing = (...topics: string[]) =>
  ({ ...RULE, notify: topics.map((topic) => ({ kind: 'mqtt', topic })) }) as unknown as RuleDocument
const warm = { namespace: 'cold', name: 'warm' }
const account = (...publish: string[]): Account => ({
  username: USER,
  acl: { publish, subscribe: [] },
  disabled: false,
})

/** A broker in memory that keeps what is put. */
const aBroker = (...held: Account[]) => {
  const accounts = new Map(held.map((one) => [one.username, one]))
  const done = (names: readonly { username: string }[]): AccountResult[] => names.map(({ username }) => ({ username }))
  const broker = {
    list: async () => new Map(accounts),
    put: async (all: readonly Account[]) => {
      for (const { username, acl, disabled } of all) accounts.set(username, { username, acl, disabled })
      return done(all)
    },
    setAcl: async (all: readonly Account[]) => {
      for (const { username, acl } of all) accounts.set(username, { username, acl, disabled: false })
      return done(all)
    },
  } as unknown as Broker
  return { broker, accounts }
}

const start = (documents: readonly RuleDocument[], ...held: Account[]) => {
  const { broker, accounts } = aBroker(...held)
  let now = 0
  const list = accountList(broker, () => {
    now += 10_000
    return now
  })
  const alerter = new AlerterAccount({
    ...{ names: namesOf(), accounts: list, passwordOf: (user) => `of ${user}` },
    documents: { all: () => documents },
  })
  return { alerter, accounts }
}

test('it may publish on the topics of the rules in force and of those about to be, for any device, and nothing else', async () => {
  const { alerter, accounts } = start([publishing('fleets/cold/reefers/{device}/alerts'), publishing()])
  await alerter.converge()
  assert.deepEqual(accounts.get(USER), account('fleets/cold/+/+/alerts'))
  alerter.announce(warm, ['plant/+/alerts'])
  await Promise.all([alerter.converge(), alerter.converge()])
  assert.deepEqual(accounts.get(USER), account('fleets/cold/+/+/alerts', 'plant/+/alerts'))
  alerter.withdraw(warm)
  const [change] = await alerter.converge()
  assert.equal(change?.message, `${USER}: publish plant/+/alerts is too much`)
  assert.deepEqual(await alerter.converge(), [])
})

test('without rules it may do nothing, and what was given by hand goes', async () => {
  const { alerter, accounts } = start([], { ...account('#'), acl: { publish: ['#'], subscribe: ['#'] } })
  await alerter.converge()
  assert.deepEqual(accounts.get(USER), account())
})

test('a rule that would be too much is left out alone, and others keep what they have; there is room again when one goes', async () => {
  const held = [...Array(19).keys()].map((i) => `plant/a${i}/{device}`)
  const documents = [publishing(...held)]
  const { alerter, accounts } = start(documents)
  assert.deepEqual(alerter.announce(warm, ['plant/x/+', 'plant/y/+', 'plant/a3/+']), ['plant/y/+'])
  const foreign: Ref = { namespace: 'hot', name: 'warm' }
  assert.deepEqual(alerter.announce(foreign, ['site/+/alerts']), [])
  await alerter.converge()
  const publish = accounts.get(USER)?.acl.publish ?? []
  assert.deepEqual([publish.length, publish.includes('plant/x/+'), publish.includes('plant/y/+')], [21, true, false])
  assert.ok(publish.includes('site/+/alerts'))
  documents[0] = publishing(...held.slice(1))
  assert.deepEqual(alerter.announce(warm, ['plant/x/+', 'plant/y/+']), [])
})

test('all fleets of a namespace share the filter of a topic; whatever the documents say, the account stays bounded', async () => {
  const { alerter, accounts } = start([
    publishing(...[...Array(300).keys()].map((i) => `fleets/cold/f-${i}/{device}/alerts`)),
    publishing(...[...Array(300).keys()].map((i) => `plant/a${i}/{device}`)),
  ])
  await alerter.converge()
  const publish = accounts.get(USER)?.acl.publish ?? []
  assert.equal(publish.length, 40)
  assert.ok(publish.includes('fleets/cold/+/+/alerts'))
})
