/** Listeners: none may let a client in unasked, and those of the default zone are slowed where a rate is set. */
import { z } from 'zod'
import type { Limits } from './limits.ts'
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

/** What to change of a listener, and the words for it. */
export const listenerChange = (have: Listener, { messagesRate }: Pick<Limits, 'messagesRate'>) => {
  const isOpen = have.enable_authn === false && !asksForCertificate(have)
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

/** EMQX keeps what a PUT leaves out, wants the id and the type, and takes no name. */
export const listenerStep = async (rest: Rest, limits: Limits): Promise<string[]> => {
  const list = await rest.call({ method: 'GET', path: ['listeners'], expect: [200] })
  const words: string[] = []
  for (const { id } of z.array(z.object({ id: z.string() })).parse(list.body)) {
    const have = listener.parse((await rest.call({ method: 'GET', path: ['listeners', id], expect: [200] })).body)
    const change = listenerChange(have, limits)
    if (change.words.length === 0) continue
    const { type, bind, enable } = have
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
