/** The silences of each namespace: one record, changed by compare and set. */
import { randomUUID } from 'node:crypto'
import { MAX_SILENCES, pruned, type Silence, silencesDocument, silencesKey } from '@fleetloom/shared/alerts/silence'
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { Problem } from '../http/problem.ts'
import type { NewSilence } from './schema.ts'

const ATTEMPTS = 10

type Change<T> = (silences: readonly Silence[], nowMs: number) => { readonly silences: Silence[]; readonly result: T }

const iso = (ms: number): string => new Date(ms).toISOString()

export class SilenceStore {
  readonly #kv: KV
  readonly #now: () => number

  constructor(kv: KV, now: () => number = Date.now) {
    this.#kv = kv
    this.#now = now
  }

  /** Those that are, will be, or were lately in force. */
  async list(namespace: string): Promise<readonly Silence[]> {
    return (await this.#read(namespace)).silences
  }

  /** @throws Problem when the namespace has too many */
  create(namespace: string, given: NewSilence): Promise<Silence> {
    return this.#change(namespace, (silences, nowMs) => {
      if (silences.filter(({ endsAt }) => Date.parse(endsAt) > nowMs).length >= MAX_SILENCES)
        throw new Problem('conflict', `namespace ${namespace} has ${MAX_SILENCES} silences that have not ended`, {
          next: 'Delete one, or silence more with one by a pattern.',
        })
      const { startsAt = nowMs, endsAt, ...rest } = given
      const result: Silence = {
        ...{ id: randomUUID(), ...rest },
        ...{ startsAt: iso(startsAt), endsAt: iso(endsAt), createdAt: iso(nowMs) },
      }
      return { silences: pruned([...silences, result], nowMs), result }
    })
  }

  /** Ends it now; one that has not begun is removed. False when there is none of this id that has not ended. */
  end(namespace: string, id: string): Promise<boolean> {
    return this.#change(namespace, (silences, nowMs) => {
      const isIt = (one: Silence) => one.id === id && Date.parse(one.endsAt) > nowMs
      const left = silences.flatMap((one) => {
        if (!isIt(one)) return [one]
        return Date.parse(one.startsAt) >= nowMs ? [] : [{ ...one, endsAt: iso(nowMs) }]
      })
      return { silences: pruned(left, nowMs), result: silences.some(isIt) }
    })
  }

  async #change<T>(namespace: string, change: Change<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const { silences, revision } = await this.#read(namespace)
      const changed = change(silences, this.#now())
      const value = JSON.stringify({ version: '1.0', silences: changed.silences })
      try {
        await this.#kv.put(silencesKey(namespace), value, { previousSeq: revision })
        return changed.result
      } catch (error) {
        if (!isConflict(error)) throw error
        if (attempt === ATTEMPTS)
          throw new Problem('conflict', `the silences of namespace ${namespace} change all the time`, {
            next: 'Send it again.',
          })
      }
    }
  }

  async #read(namespace: string): Promise<{ readonly silences: readonly Silence[]; readonly revision: number }> {
    const entry = await this.#kv.get(silencesKey(namespace))
    if (entry?.operation !== 'PUT') return { silences: [], revision: entry?.revision ?? 0 }
    return { silences: silencesDocument.parse(entry.json()).silences, revision: entry.revision }
  }
}

const isConflict = (error: unknown): boolean =>
  error instanceof JetStreamApiError &&
  (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
    error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)
