import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { Account, AccountResult, Broker } from '@fleetloom/shared/broker/broker'
import { accountList } from './account-list.ts'
import { AlerterAccount } from './alerter-account.ts'

const USER = 'fleetloom_alerter'
const publishing = (...topics: string[]) =>
  ({ notify: topics.map((topic) => ({ kind: 'mqtt', topic })) }) as unknown as RuleDocument
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
  assert.deepEqual(accounts.get(USER), account('fleets/cold/reefers/+/alerts'))
  alerter.announce(warm, ['plant/+/alerts'])
  await Promise.all([alerter.converge(), alerter.converge()])
  assert.deepEqual(accounts.get(USER), account('fleets/cold/reefers/+/alerts', 'plant/+/alerts'))
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
