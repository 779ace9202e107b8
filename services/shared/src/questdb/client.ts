/**
 * QuestDB over HTTP, as the writer needs it: rows that are already line protocol go to `/write` as they are, over
 * connections that are kept open. The pieces are copied into one: cheaper than a write to the socket for each, many being small.
 */
import http from 'node:http'
import https from 'node:https'
import { messageOf } from '../process/logger.ts'
import { type Answer, answerOf, type Target } from './answer.ts'
import { authorization, type QuerySettings } from './query.ts'

export type Questdb = Disposable & {
  /** Writes rows of one table as one transaction. Never rejects: what goes wrong is in the answer. */
  write(bodies: readonly Uint8Array[], target: Target): Promise<Answer>
  /**
   * Gives up every connection once its request is answered. To be called before rows go to a table that may have been made anew.
   * *Measured on 9.3.1*: after DROP TABLE, a connection that had written to it accepts one more request for that table and loses its
   * rows, even when a table of that name was made in between.
   */
  renew(): void
  /** Resolves when the server takes our credentials and answers a query; rejects with the reason. */
  ping(): Promise<void>
}

type Response = { readonly status: number; readonly body: string }

/** Below the 30 s in which the stream expects an acknowledgement. */
const TIMEOUT_MS = 20_000
const MAX_ANSWER = 64 * 1024

/**
 * After a refusal the connection goes. Measured: one over which a row was refused for a missing column goes on refusing it after the
 * column was added, until a good row came through.
 */
const readAnswer = async (response: http.IncomingMessage): Promise<Response> => {
  const { socket, statusCode: status = 0 } = response
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) if (body.length < MAX_ANSWER) body += chunk
  if (status >= 300) socket.destroy()
  return { status, body }
}

/** One HTTP request; rejects on a network fault or when it takes longer than `TIMEOUT_MS`. */
const send = (url: URL, options: https.RequestOptions, body: Uint8Array): Promise<Response> =>
  new Promise((resolve, reject) => {
    const module = url.protocol === 'https:' ? https : http
    const request = module.request(url, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) }, (response) =>
      readAnswer(response).then(resolve, reject),
    )
    request.on('error', reject)
    request.end(body)
  })

/** Closes what is idle, and each other connection when its request is over. */
const retire = (agent: http.Agent): void => {
  agent.maxFreeSockets = 0
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
}

export const createQuestdb = (settings: QuerySettings): Questdb => {
  const base = settings.questdbUrl.replace(/\/$/, '')
  const writeUrl = new URL(`${base}/write?precision=n`)
  const pingUrl = new URL(`${base}/exec?query=SELECT%201`)
  const module = writeUrl.protocol === 'https:' ? https : http
  let agent = new module.Agent({ keepAlive: true })
  let auth: Promise<Record<string, string>> | undefined

  const exchange = async (url: URL, method: string, sent: Uint8Array): Promise<Response> => {
    auth ??= authorization(settings)
    const asked = auth
    try {
      const headers = { ...(await asked), 'content-length': sent.length }
      const response = await send(url, { method, agent, headers }, sent)
      if (response.status === 401) auth = undefined // the mounted password may have changed
      return response
    } catch (error) {
      auth = undefined
      throw error
    }
  }

  return {
    write: async (bodies, target) => {
      try {
        const { status, body } = await exchange(writeUrl, 'POST', Buffer.concat(bodies))
        return answerOf(status, body, target)
      } catch (error) {
        return { kind: 'unavailable', reason: `no answer from the database: ${messageOf(error)}` }
      }
    },
    renew: () => {
      retire(agent)
      agent = new module.Agent({ keepAlive: true })
    },
    ping: async () => {
      const { status, body } = await exchange(pingUrl, 'GET', Buffer.alloc(0))
      if (status !== 200) throw new Error(`HTTP ${status}: ${body.trim().slice(0, 200)}`)
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}
