/** Reading what a stream holds, page by page, by sequence: no consumer is made and memory is bounded by the page. */
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'

export type StoredPage = {
  readonly stream: string
  /** Subject filter. */
  readonly subject: string
  /** First sequence to look at. */
  readonly from: number
  readonly limit: number
  /** Bytes after which the page ends early; at least one message is read. */
  readonly maxBytes?: number
}

const NO_RESPONDERS = /no responders/i

/**
 * Messages on `subject` with a sequence from `from` on, in order. The stream must allow direct reads (`allow_direct`); one that
 * does not exist holds nothing.
 */
export const readStored = async (jsm: JetStreamManager, page: StoredPage): Promise<StoredMsg[]> => {
  const { promise, resolve, reject } = Promise.withResolvers<StoredMsg[]>()
  const messages: StoredMsg[] = []
  await jsm.direct.getBatch(page.stream, {
    seq: Math.max(1, page.from),
    next_by_subj: page.subject,
    batch: page.limit,
    ...(page.maxBytes === undefined ? {} : { max_bytes: page.maxBytes }),
    callback: (done, message) => {
      if (done === null) messages.push(message)
      else if (done.err === undefined || isNothingThere(done.err)) resolve(messages)
      else reject(done.err)
    },
  })
  try {
    return await promise
  } catch (error) {
    if (error instanceof Error && NO_RESPONDERS.test(error.message) && !(await exists(jsm, page.stream))) return []
    throw error
  }
}

/** How the server says that there is no message from that sequence on. */
const isNothingThere = (error: Error): boolean => 'code' in error && error.code === 404

const exists = async (jsm: JetStreamManager, stream: string): Promise<boolean> => {
  try {
    await jsm.streams.info(stream)
    return true
  } catch (error) {
    if (error instanceof Error && /not found/i.test(error.message)) return false
    throw error
  }
}
