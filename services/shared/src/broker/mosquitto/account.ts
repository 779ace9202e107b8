/**
 * What the broker holds of one account (a dynamic security client and the role of the same name), and the commands that
 * bring it to what is wanted. Pure.
 *
 * The client bears our mark in its text name, has exactly one role, no group, and its client id bound to its user name:
 * with `use_username_as_clientid` that always holds, and on a listener where it was forgotten any other id is refused.
 */
import { z } from 'zod'
import type { Account, Acl, NewAccount } from '../broker.ts'
import { aclOfLines, linesOf } from './acl-lines.ts'
import type { Command } from './control.ts'

export const clientView = z.object({
  username: z.string(),
  textname: z.string().optional(),
  clientid: z.string().optional(),
  disabled: z.boolean().optional(),
  roles: z.array(z.object({ rolename: z.string() })).default([]),
  groups: z.array(z.object({ groupname: z.string() })).default([]),
})

export const roleView = z.object({
  rolename: z.string(),
  textname: z.string().optional(),
  acls: z.array(z.object({ acltype: z.string(), topic: z.string(), allow: z.boolean() })).default([]),
})

export type ClientView = z.infer<typeof clientView>
export type RoleView = z.infer<typeof roleView>

/** What is there under one user name. */
export type Held = { readonly client?: ClientView | undefined; readonly role?: RoleView | undefined }

/** Ownership mark of an installation. */
export const markOf = (installation: string): string => `fleetloom:${installation}`

/** Whether something under this name is not ours. */
export const isForeign = ({ client, role }: Held, mark: string): boolean =>
  [client, role].some((part) => part !== undefined && part.textname !== mark)

const hasOwnRole = ({ username, roles }: ClientView): boolean => roles.length === 1 && roles[0]?.rolename === username

/** How the client itself differs from one that we made, as ACL entries that no wanted ACL holds. */
const oddities = (client: ClientView): string[] => [
  ...(client.clientid === client.username ? [] : ['!client id not bound']),
  ...client.groups.map(({ groupname }) => `!group ${groupname}`),
  ...client.roles.filter(({ rolename }) => rolename !== client.username).map(({ rolename }) => `!role ${rolename}`),
]

/** The account as the operator compares it. */
export const accountOf = (client: ClientView, role: RoleView | undefined): Account => {
  const odd = oddities(client)
  const linked = client.roles.some(({ rolename }) => rolename === client.username)
  const acl = aclOfLines(linked ? (role?.acls ?? []) : [])
  return {
    username: client.username,
    disabled: client.disabled ?? false,
    acl: odd.length === 0 ? acl : { ...acl, subscribe: [...acl.subscribe, ...odd] },
  }
}

const sameLines = (role: RoleView, acl: Acl): boolean => {
  const text = (lines: readonly unknown[]) =>
    lines
      .map((l) => JSON.stringify(l))
      .sort()
      .join()
  return text(role.acls.map(({ acltype, topic, allow }) => ({ acltype, topic, allow }))) === text(linesOf(acl))
}

const roleCommands = (username: string, acl: Acl, role: RoleView | undefined, mark: string): Command[] => {
  if (role === undefined) return [{ command: 'createRole', rolename: username, textname: mark, acls: linesOf(acl) }]
  return sameLines(role, acl) ? [] : [{ command: 'modifyRole', rolename: username, acls: linesOf(acl) }]
}

const binding = (username: string) => ({ clientid: username, roles: [{ rolename: username }], groups: [] })

const disableCommands = (username: string, want: boolean, have: boolean): Command[] =>
  want === have ? [] : [{ command: want ? 'disableClient' : 'enableClient', username }]

/** What a client can be given here: a password, or none because its listener checks certificates. */
export type PlainAccount = NewAccount & { readonly secret: { readonly plain: string } | { readonly certificate: true } }

/** A client without a password: no password lets it in. One that may have had a password is made anew, as none can be taken away. */
const certificateClient = (username: string, { client }: Held, mark: string): Command[] => [
  ...(client === undefined ? [] : [{ command: 'deleteClient', username }]),
  { command: 'createClient', textname: mark, username, ...binding(username) },
]

const passwordClient = (username: string, password: string, { client }: Held, mark: string): Command[] => {
  const arguments_ = { username, password, ...binding(username) }
  return client === undefined
    ? [{ command: 'createClient', textname: mark, ...arguments_ }]
    : [{ command: 'modifyClient', ...arguments_ }]
}

/** Makes the account or brings it to what is wanted, secret included. Ends its session. */
export const putCommands = (account: PlainAccount, held: Held, mark: string): Command[] => {
  const { username, acl, disabled, secret } = account
  const isPassword = 'plain' in secret
  return [
    ...roleCommands(username, acl, held.role, mark),
    ...(isPassword ? passwordClient(username, secret.plain, held, mark) : certificateClient(username, held, mark)),
    ...disableCommands(username, disabled, isPassword && (held.client?.disabled ?? false)),
  ]
}

/** Brings the ACL to what is wanted. The client is modified, which ends its session, only when it was changed by hand. */
export const aclCommands = (
  username: string,
  acl: Acl,
  held: Held & { client: ClientView },
  mark: string,
): Command[] => {
  const intact = hasOwnRole(held.client) && oddities(held.client).length === 0
  return [
    ...roleCommands(username, acl, held.role, mark),
    ...(intact ? [] : [{ command: 'modifyClient', username, ...binding(username) }]),
  ]
}

/** Removes what is there; the client first, so that its session ends before its role does. */
export const removeCommands = (username: string, { client, role }: Held): Command[] => [
  ...(client === undefined ? [] : [{ command: 'deleteClient', username }]),
  ...(role === undefined ? [] : [{ command: 'deleteRole', rolename: username }]),
]
