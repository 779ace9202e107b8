/**
 * The silences of each namespace, asked for when somebody is about to be told, at most once a second, and made ready anew only when
 * their record has changed.
 */
import { readableSilences, type Silence, silencesKey } from '@fleetloom/shared/alerts/silence'
import { type ReadySilence, readySilences, silenceFor } from '@fleetloom/shared/alerts/silencing'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { KV } from '@nats-io/kv'

const FRESH_MS = 1_000
const MOST_NAMESPACES = 1_000

/** What a revision of the record says. */
type Read = { readonly revision: number; readonly silences: readonly ReadySilence[] }
type Known = { readonly read: Promise<Read>; readonly askedMs: number }

export class Silences {
  readonly #kv: Pick<KV, 'get'>
  readonly #log: Logger
  readonly #known = new Map<string, Known>()

  constructor({ kv, log }: { readonly kv: Pick<KV, 'get'>; readonly log: Logger }) {
    this.#kv = kv
    this.#log = log
  }

  /** The silence that holds back this alert now. Rejects when the bucket does not answer. */
  async of(one: Transition): Promise<Silence | undefined> {
    const { silences } = await this.#inNamespace(one.namespace)
    return silenceFor(silences, one, Date.now())
  }

  #inNamespace(namespace: string): Promise<Read> {
    const known = this.#known.get(namespace)
    if (known && performance.now() - known.askedMs < FRESH_MS) return known.read
    this.#known.delete(namespace)
    const read = this.#read(namespace, known?.read)
    read.catch(() => this.#known.delete(namespace))
    this.#known.set(namespace, { read, askedMs: performance.now() })
    if (this.#known.size > MOST_NAMESPACES) this.#known.delete(this.#known.keys().next().value as string)
    return read
  }

  async #read(namespace: string, before: Promise<Read> | undefined): Promise<Read> {
    const entry = await this.#kv.get(silencesKey(namespace))
    const last = await before?.catch(() => undefined)
    const revision = entry?.revision ?? 0
    if (last?.revision === revision) return last
    const record = entry?.operation === 'PUT' ? entry.string() : '{}'
    return { revision, silences: readySilences(this.#parse(namespace, record), Date.now()) }
  }

  /** A record that is not JSON silences nothing: better that somebody hears too much than that nobody hears anything. */
  #parse(namespace: string, record: string): Silence[] {
    try {
      return readableSilences(record)
    } catch (error) {
      this.#log.error({ namespace }, `the silences can not be read and hold back nothing: ${messageOf(error)}`)
      return []
    }
  }
}
