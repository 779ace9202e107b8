/** The silences of each namespace: one record, changed by compare and set. */
import { randomUUID } from 'node:crypto'
import {
  MAX_PATTERN_MATCHERS,
  MAX_SILENCES,
  patternMatchers,
  pruned,
  readableSilences,
  type Silence,
  silencesKey,
  unended,
} from '@fleetloom/shared/alerts/silence'
import { type ReadySilence, readySilences } from '@fleetloom/shared/alerts/silencing'
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { Problem } from '../http/problem.ts'
import type { NewSilence } from './schema.ts'

const ATTEMPTS = 10

type Change<T> = (silences: readonly Silence[], nowMs: number) => { readonly silences: Silence[]; readonly result: T }

/** Namespaces whose silences are kept ready. */
const MOST_READY = 200

type Ready = { readonly revision: number; readonly silences: readonly ReadySilence[] }

/** @throws Problem when the namespace has no room for one more */
const checkRoom = (namespace: string, present: readonly Silence[], { matchers }: NewSilence): void => {
  if (present.length >= MAX_SILENCES)
    throw new Problem('conflict', `namespace ${namespace} has ${MAX_SILENCES} silences that have not ended`, {
      next: 'Delete one, or silence more with one by a pattern.',
    })
  const taken = patternMatchers(present)
  const value = patternMatchers([{ matchers }])
  if (value === 0 || taken + value <= MAX_PATTERN_MATCHERS) return
  const reason = `a namespace has at most ${MAX_PATTERN_MATCHERS} matchers with =~ or !~ in silences that have not ended, and ${taken} are taken`
  throw new Problem('conflict', `matchers: ${value} more with a pattern are too many: ${reason}`, {
    errors: [{ field: 'matchers', value, reason }],
    next: 'Delete a silence with patterns, or match with = and !=.',
  })
}

const iso = (ms: number): string => new Date(ms).toISOString()

export class SilenceStore {
  readonly #kv: Pick<KV, 'get' | 'put'>
  readonly #now: () => number
  readonly #ready = new Map<string, Ready>()

  constructor(kv: Pick<KV, 'get' | 'put'>, now: () => number = Date.now) {
    this.#kv = kv
    this.#now = now
  }

  /** Those that are, will be, or were lately in force. */
  async list(namespace: string): Promise<readonly Silence[]> {
    return (await this.#read(namespace)).silences
  }

  /** To ask which of them hold back an alert. */
  async ready(namespace: string): Promise<readonly ReadySilence[]> {
    const { silences, revision } = await this.#read(namespace)
    const known = this.#ready.get(namespace)
    this.#ready.delete(namespace)
    const ready = known?.revision === revision ? known : { revision, silences: readySilences(silences, this.#now()) }
    this.#ready.set(namespace, ready)
    if (this.#ready.size > MOST_READY) this.#ready.delete(this.#ready.keys().next().value as string)
    return ready.silences
  }

  /** `keyId`: of the key that asks for it. @throws Problem when the namespace has too many */
  create(namespace: string, given: NewSilence, keyId: string): Promise<Silence> {
    return this.#change(namespace, (silences, nowMs) => {
      checkRoom(namespace, unended(silences, nowMs), given)
      const { startsAt = nowMs, endsAt, ...rest } = given
      const result: Silence = {
        ...{ id: randomUUID(), ...rest, keyId },
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
    return { silences: parsed(entry.string()), revision: entry.revision }
  }
}

/** What is not JSON silences nothing, and the next change mends it. */
const parsed = (record: string): Silence[] => {
  try {
    return readableSilences(record)
  } catch {
    return []
  }
}

const isConflict = (error: unknown): boolean =>
  error instanceof JetStreamApiError &&
  (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
    error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)
