/**
 * Listeners: none may let a client in unasked, and those of the default zone are slowed where a rate is set. Where a
 * certificate stands for the password, the user name must be the certificate's: else EMQX takes the one that the client
 * gives, and each device could be any other. That is a setting of the zone; zones that do not say otherwise inherit it.
 */
import { z } from 'zod'
import { certificateNames, type Limits, zone, zoneWith, zoneWords } from './limits.ts'
import type { Rest } from './rest.ts'

const listener = z.looseObject({
  id: z.string(),
  type: z.string(),
  bind: z.union([z.string(), z.number()]),
  enable: z.boolean(),
  enable_authn: z.union([z.boolean(), z.string()]).optional(),
  zone: z.string().optional(),
  messages_rate: z.string().optional(),
  ssl_options: z
    .looseObject({ verify: z.string().optional(), fail_if_no_peer_cert: z.boolean().optional() })
    .optional(),
})

export type Listener = z.infer<typeof listener>

const asksForCertificate = ({ ssl_options: tls }: Listener): boolean =>
  tls?.verify === 'verify_peer' && tls.fail_if_no_peer_cert === true

/** Whether a certificate is all that a client needs. */
const takesCertificateAlone = (have: Listener): boolean => have.enable_authn === false && asksForCertificate(have)

/** What to change of a listener, and the words for it. */
export const listenerChange = (have: Listener, { messagesRate }: Pick<Limits, 'messagesRate'>) => {
  const isOpen = have.enable_authn === false && !takesCertificateAlone(have)
  const isSlowed = messagesRate !== undefined && (have.zone ?? 'default') === 'default'
  const setsRate = isSlowed && have.messages_rate !== messagesRate
  return {
    fields: { ...(isOpen ? { enable_authn: true } : {}), ...(setsRate ? { messages_rate: messagesRate } : {}) },
    words: [
      ...(isOpen ? [`broker listener ${have.id} let everybody in; now asks for a password`] : []),
      ...(setsRate
        ? [`broker listener ${have.id}: messages_rate was ${have.messages_rate ?? 'not set'}, is now ${messagesRate}`]
        : []),
    ],
  }
}

const listenersOf = async (rest: Rest): Promise<Listener[]> => {
  const list = await rest.call({ method: 'GET', path: ['listeners'], expect: [200] })
  const all: Listener[] = []
  for (const { id } of z.array(z.object({ id: z.string() })).parse(list.body))
    all.push(listener.parse((await rest.call({ method: 'GET', path: ['listeners', id], expect: [200] })).body))
  return all
}

const nameStep = async (rest: Rest): Promise<string[]> => {
  const path = ['configs', 'global_zone']
  const have = zone.parse((await rest.call({ method: 'GET', path, expect: [200] })).body)
  const settings = certificateNames(have)
  if (settings.length > 0) await rest.call({ method: 'PUT', path, body: zoneWith(have, settings), expect: [200] })
  return zoneWords(have, settings)
}

/** EMQX keeps what a PUT leaves out, wants the id and the type, and takes no name. */
export const listenerStep = async (rest: Rest, limits: Limits): Promise<string[]> => {
  const all = await listenersOf(rest)
  const words = all.some(takesCertificateAlone) ? await nameStep(rest) : []
  for (const have of all) {
    const change = listenerChange(have, limits)
    if (change.words.length === 0) continue
    const { id, type, bind, enable } = have
    await rest.call({
      method: 'PUT',
      path: ['listeners', id],
      body: { id, type, bind, enable, ...change.fields },
      expect: [200],
    })
    words.push(...change.words)
  }
  return words
}
