/** The silences of each namespace, asked for when somebody is about to be told, at most once a second. */
import { readableSilences, type Silence, silenceFor, silencesKey } from '@fleetloom/shared/alerts/silence'
import type { Transition } from '@fleetloom/shared/alerts/transition'
import type { KV } from '@nats-io/kv'

const FRESH_MS = 1_000
const MOST_NAMESPACES = 1_000

type Known = { readonly silences: Promise<readonly Silence[]>; readonly askedMs: number }

export class Silences {
  readonly #kv: Pick<KV, 'get'>
  readonly #known = new Map<string, Known>()

  constructor(kv: Pick<KV, 'get'>) {
    this.#kv = kv
  }

  /** The silence that holds back this alert now. Rejects when the bucket does not answer. */
  async of(one: Transition): Promise<Silence | undefined> {
    return silenceFor(await this.#inNamespace(one.namespace), one, Date.now())
  }

  #inNamespace(namespace: string): Promise<readonly Silence[]> {
    const known = this.#known.get(namespace)
    if (known && performance.now() - known.askedMs < FRESH_MS) return known.silences
    this.#known.delete(namespace)
    const silences = this.#read(namespace)
    silences.catch(() => this.#known.delete(namespace))
    this.#known.set(namespace, { silences, askedMs: performance.now() })
    if (this.#known.size > MOST_NAMESPACES) this.#known.delete(this.#known.keys().next().value as string)
    return silences
  }

  async #read(namespace: string): Promise<readonly Silence[]> {
    const entry = await this.#kv.get(silencesKey(namespace))
    if (entry?.operation !== 'PUT') return []
    return readableSilences(entry.json())
  }
}
