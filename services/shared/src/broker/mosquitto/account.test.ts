import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  accountOf,
  aclCommands,
  type ClientView,
  isForeign,
  markOf,
  putCommands,
  type RoleView,
  removeCommands,
} from './account.ts'
import { linesOf } from './acl-lines.ts'

const MARK = markOf('fleetloom')
const ACL = { publish: ['p'], subscribe: ['s'] }

const client = (change: Partial<ClientView> = {}): ClientView => ({
  username: 'ns.d',
  textname: MARK,
  clientid: 'ns.d',
  roles: [{ rolename: 'ns.d' }],
  groups: [],
  ...change,
})
const role = (change: Partial<RoleView> = {}): RoleView => ({
  rolename: 'ns.d',
  textname: MARK,
  acls: linesOf(ACL),
  ...change,
})
const wanted = { username: 'ns.d', acl: ACL, disabled: false, secret: { plain: 'x' } }
const names = (commands: readonly { command: string }[]) => commands.map(({ command }) => command)

test('an account of ours reads as it was wanted', () => {
  assert.deepEqual(accountOf(client(), role()), { username: 'ns.d', disabled: false, acl: ACL })
})

test('what was done to a client by hand shows in its ACL', () => {
  const odd = client({
    clientid: undefined,
    groups: [{ groupname: 'g' }],
    roles: [{ rolename: 'admin' }],
    disabled: true,
  })
  assert.deepEqual(accountOf(odd, role()), {
    username: 'ns.d',
    disabled: true,
    acl: { publish: [], subscribe: ['!client id not bound', '!group g', '!role admin'] },
  })
})

test('a client or a role without our mark is foreign', () => {
  assert.equal(isForeign({}, MARK), false)
  assert.equal(isForeign({ client: client(), role: role() }, MARK), false)
  assert.equal(isForeign({ client: client({ textname: undefined }) }, MARK), true)
  assert.equal(isForeign({ role: role({ textname: markOf('other') }) }, MARK), true)
})

test('a new account is a role, then a client; a disabled one is disabled in the same batch', () => {
  assert.deepEqual(putCommands({ ...wanted, disabled: true }, {}, MARK), [
    { command: 'createRole', rolename: 'ns.d', textname: MARK, acls: linesOf(ACL) },
    {
      command: 'createClient',
      textname: MARK,
      username: 'ns.d',
      password: 'x',
      clientid: 'ns.d',
      roles: [{ rolename: 'ns.d' }],
      groups: [],
    },
    { command: 'disableClient', username: 'ns.d' },
  ])
})

test('an existing account gets its secret, and its role only where it differs', () => {
  assert.deepEqual(names(putCommands(wanted, { client: client(), role: role() }, MARK)), ['modifyClient'])
  assert.deepEqual(names(putCommands(wanted, { client: client({ disabled: true }), role: role({ acls: [] }) }, MARK)), [
    'modifyRole',
    'modifyClient',
    'enableClient',
  ])
})

test('an ACL change leaves an intact client, and so its session, alone', () => {
  const other = { publish: [], subscribe: [] }
  assert.deepEqual(names(aclCommands('ns.d', ACL, { client: client(), role: role() }, MARK)), [])
  assert.deepEqual(names(aclCommands('ns.d', other, { client: client(), role: role() }, MARK)), ['modifyRole'])
  assert.deepEqual(names(aclCommands('ns.d', ACL, { client: client({ roles: [] }) }, MARK)), [
    'createRole',
    'modifyClient',
  ])
})

test('removal takes what is there and nothing else', () => {
  assert.deepEqual(names(removeCommands('ns.d', { client: client(), role: role() })), ['deleteClient', 'deleteRole'])
  assert.deepEqual(removeCommands('ns.d', {}), [])
})

test('an account for a certificate never has a password, not even one of before', () => {
  const account = { ...wanted, secret: { certificate: true } } as const
  assert.deepEqual(putCommands(account, { role: role() }, MARK), [
    {
      command: 'createClient',
      textname: MARK,
      username: 'ns.d',
      clientid: 'ns.d',
      roles: [{ rolename: 'ns.d' }],
      groups: [],
    },
  ])
  const held = { client: client({ disabled: true }), role: role() }
  assert.deepEqual(names(putCommands({ ...account, disabled: true }, held, MARK)), [
    'deleteClient',
    'createClient',
    'disableClient',
  ])
})
