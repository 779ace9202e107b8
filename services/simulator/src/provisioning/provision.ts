/**
 * A device's secret, whatever has happened before:
 *
 * 1. We have one, and the device did not tell us that it was refused: that one.
 * 2. The registry does not know the device: register it.
 * 3. The registry knows it in this fleet: rotate its secret, as nobody can read the old one. A disabled device is left alone.
 *
 * While the api is away or the fleet does not exist yet, it is asked again.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { deviceUser, label, type Ref } from '@fleetloom/crds/names'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { z } from 'zod'
import type { ShowDevice } from '../shows.ts'
import type { Secrets } from './secrets.ts'

const RETRY_MS = 2_000
const REQUEST_TIMEOUT_MS = 10_000

const issued = z.object({ secret: z.string() })
const known = z.object({ disabled: z.boolean() })
const problem = z.object({ detail: z.string().optional(), title: z.string().optional() })

type Answer = { readonly status: number; readonly body: unknown }

export type ApiSettings = { readonly apiUrl: string; readonly apiKey: string }

/** Asking again will not help: the key is wrong. */
class Hopeless extends Error {
  override name = 'Hopeless'
}

const wordsOf = ({ status, body }: Answer): string => {
  const { detail, title } = problem.safeParse(body).data ?? {}
  return `${status} ${detail ?? title ?? ''}`.trim()
}

/** Devices of fleets over the api. */
export class Provisioner {
  readonly #settings: ApiSettings
  readonly #secrets: Secrets
  readonly #log: Logger
  /** Aborted when the process stops. */
  readonly stopped: AbortSignal

  constructor(settings: ApiSettings, parts: { secrets: Secrets; log: Logger; stopped: AbortSignal }) {
    this.#settings = settings
    this.#secrets = parts.secrets
    this.#log = parts.log
    this.stopped = parts.stopped
  }

  /** Resolves when the api answers. */
  async ping(): Promise<void> {
    await fetch(new URL('/healthz', this.#settings.apiUrl), { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) })
  }

  /**
   * The secret of a device. `refused` is the one with which the broker did not let it in.
   * @throws when the api refuses the key, or on stop.
   */
  async secretOf(fleet: Ref, device: ShowDevice, refused?: string): Promise<string> {
    const username = deviceUser(fleet.namespace, device.device)
    const kept = this.#secrets.get(username)
    if (kept !== undefined && kept !== refused) return kept
    const secret = await this.#insist(fleet, device)
    await this.#secrets.put(username, secret)
    return secret
  }

  async #insist(fleet: Ref, device: ShowDevice): Promise<string> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#obtain(fleet, device)
      } catch (error) {
        if (error instanceof Hopeless) throw error
        this.#log[tries === 0 ? 'warn' : 'debug'](
          { fleet: label(fleet), device: device.device },
          `waiting: ${messageOf(error)}`,
        )
        await sleep(RETRY_MS, undefined, { signal: this.stopped })
      }
    }
  }

  async #obtain(fleet: Ref, device: ShowDevice): Promise<string> {
    const all = `/v1/namespaces/${fleet.namespace}/fleets/${fleet.name}/devices`
    const one = `${all}/${device.device}`
    const found = await this.#send('GET', one)
    if (found.status === 200 && known.parse(found.body).disabled) throw new Error(`${device.device} is disabled`)
    if (found.status === 200) return this.#issued(await this.#send('POST', `${one}/rotate`))
    if (found.status === 404) return this.#issued(await this.#send('POST', all, device))
    return this.#issued(found)
  }

  #issued(answer: Answer): string {
    if (answer.status === 200 || answer.status === 201) return issued.parse(answer.body).secret
    const words = wordsOf(answer)
    throw [401, 403].includes(answer.status) ? new Hopeless(`the api refused the key: ${words}`) : new Error(words)
  }

  async #send(method: string, path: string, body?: unknown): Promise<Answer> {
    const { apiUrl, apiKey } = this.#settings
    const response = await fetch(new URL(path, apiUrl), {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      signal: AbortSignal.any([this.stopped, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : undefined }
  }
}
