/** Live and kept sessions of our accounts: ending them, and ending only the subscriptions that an account may no longer have. */
import { setTimeout as sleep } from 'node:timers/promises'
import { deviceOfUser } from '@fleetloom/crds/names'
import type { Acl } from '../broker.ts'
import { clearCache, kick, MAX_QUERY_NAMES, type Session, sessionsOf, subscriptionsOf, unsubscribe } from './api.ts'
import { chunksOf, mapSome } from './bulk.ts'
import { BrokerRefused, type Rest } from './rest.ts'
import { isSubscribable } from './rules.ts'

const AT_ONCE = 8
/** Pauses between looks whether a session has unsubscribed. */
const UNSUBSCRIBED_AFTER_MS = [20, 80, 300, 1_000] as const

/** Whether this is a device. A session of our own services is never kicked: EMQX would throw its queue away. */
export const isDevice = (username: string): boolean => deviceOfUser(username) !== undefined

const findSessions = async (rest: Rest, usernames: readonly string[]): Promise<Session[]> => {
  const found = await mapSome(chunksOf(usernames, MAX_QUERY_NAMES), AT_ONCE, (some) => sessionsOf(rest, some))
  return found.flat()
}

/** Ends every session of these users, whatever client id it bears. */
export const endSessions = async (rest: Rest, usernames: readonly string[]): Promise<void> => {
  const ids = (await findSessions(rest, usernames)).map(({ clientid }) => clientid)
  if (ids.length > 0) await kick(rest, ids)
}

const forbidden = async (rest: Rest, clientid: string, acl: Acl): Promise<string[]> =>
  (await subscriptionsOf(rest, clientid)).filter((topic) => !isSubscribable(topic, acl))

/** What is left after a while: EMQX may answer before the session, which may have a long queue to work off, has done it. */
const leftOver = async (rest: Rest, clientid: string, acl: Acl): Promise<string[]> => {
  let left = await forbidden(rest, clientid, acl)
  for (const pause of UNSUBSCRIBED_AFTER_MS) {
    if (left.length === 0) break
    await sleep(pause)
    left = await forbidden(rest, clientid, acl)
  }
  return left
}

/**
 * A subscription that was made while it was allowed keeps delivering. Unsubscribing takes it away and leaves the session
 * its queue; a device that subscribes again meanwhile, or whose subscription will not go, is kicked.
 */
const trim = async (rest: Rest, { clientid }: Session, username: string, acl: Acl): Promise<void> => {
  const topics = await forbidden(rest, clientid, acl)
  for (const topic of topics) await unsubscribe(rest, clientid, topic)
  const left = topics.length === 0 ? [] : await leftOver(rest, clientid, acl)
  if (left.length === 0) return
  if (!isDevice(username)) throw new Error(`session ${clientid} could not be unsubscribed from ${left[0]}`)
  await kick(rest, [clientid])
}

/**
 * Clears what sessions remember of their rights. EMQX refuses where one node of a cluster does not do it; that is given,
 * not thrown, as it must not keep the sessions of the other nodes from being ended.
 */
export const forgetRights = async (rest: Rest): Promise<BrokerRefused | undefined> => {
  try {
    await clearCache(rest)
    return undefined
  } catch (error) {
    if (error instanceof BrokerRefused) return error
    throw error
  }
}

/** Holds live sessions to the ACLs as they now are. Gives what failed, by user name. */
export const trimSessions = async (rest: Rest, acls: ReadonlyMap<string, Acl>): Promise<Map<string, unknown>> => {
  if (acls.size === 0) return new Map()
  const refused = await forgetRights(rest)
  const failed = new Map<string, unknown>(refused ? [...acls.keys()].map((username) => [username, refused]) : [])
  await mapSome(await findSessions(rest, [...acls.keys()]), AT_ONCE, async (session) => {
    const username = session.username ?? ''
    const acl = acls.get(username)
    if (acl === undefined) return
    await trim(rest, session, username, acl).catch((error: unknown) => failed.set(username, error))
  })
  return failed
}
