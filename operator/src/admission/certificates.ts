/** Keeps the webhook's certificates: every replica shows one, and the one that leads keeps their authority and what trusts it. */
import type { KeyPair } from '@fleetloom/shared/certificates/authority'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import {
  type authoritySecret,
  type Secret,
  serverNames,
  type WebhookConfiguration,
  type webhookConfiguration,
} from './kube-objects.ts'
import {
  type Authority,
  bundleOf,
  isAging,
  newAdmissionAuthority,
  newPath,
  serverCertificates,
  succeeded,
} from './rotation.ts'

export type CertificatesOptions = {
  readonly secret: AuthoritySecret
  readonly configuration: Pick<Configuration, 'read' | 'trust'>
  readonly leads: () => boolean
  /** Takes the certificate to show, and the path to answer under. */
  readonly use: (pair: KeyPair, path: string) => void
  readonly log: Logger
  readonly now?: () => number
}

type AuthoritySecret = ReturnType<typeof authoritySecret>
type Configuration = ReturnType<typeof webhookConfiguration>

/** Pause between two looks: what was changed by hand is put right, and a replaced authority taken up, within it. */
const LOOK_MS = 5_000
/** How long a bundle stands before what it newly trusts is used: API servers hear of it by their watches. */
const SETTLE_MS = 10_000

type Successor = { readonly pair: KeyPair; readonly trustedSinceMs: number | undefined }

/** One look after another at the two objects. */
export class Keeper {
  readonly #options: CertificatesOptions
  readonly #now: () => number
  readonly #certificateOf = serverCertificates()
  #successor: Successor | undefined
  #shown: KeyPair | undefined
  #path = ''
  #said = ''
  #isAsked = true

  constructor(options: CertificatesOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** @throws while the API server asks and there is no certificate to show it. Who is not asked misses nothing. */
  ping(): void {
    if (this.#isAsked && !this.#shown) throw new Error('no certificate yet: the replica that leads makes it')
  }

  /** One look; never rejects. */
  async look(): Promise<void> {
    try {
      await this.#look()
      this.#said = ''
    } catch (error) {
      const fault = `the webhook's certificate: ${messageOf(error)}`
      if (fault !== this.#said) this.#options.log.warn(fault)
      this.#said = fault
    }
  }

  async #look(): Promise<void> {
    const { configuration, secret, leads, use } = this.#options
    const have = await configuration.read()
    this.#isAsked = have !== undefined
    if (!have)
      throw new Error('there is no such ValidatingWebhookConfiguration: resources are judged after they were taken')
    const { authority: held, secret: read } = await secret.read(this.#now())
    const authority = leads() ? await this.#lead(have, held, read) : held
    if (!authority?.path) return
    const pair = await this.#certificateOf(authority.current, serverNames(have), this.#now())
    if (pair !== this.#shown || authority.path !== this.#path) use(pair, authority.path)
    this.#shown = pair
    this.#path = authority.path
  }

  /** What only one replica may do. Gives the authority in force. */
  async #lead(have: WebhookConfiguration, held: Authority | undefined, secret: Secret): Promise<Authority> {
    const authority = held?.path ? held : await this.#begin(held, secret)
    if (!isAging(authority.current.certificate, this.#now())) this.#successor = undefined
    else this.#successor ??= { pair: await newAdmissionAuthority(this.#now()), trustedSinceMs: undefined }
    const bundle = bundleOf(authority, this.#successor?.pair, this.#now())
    await this.#options.configuration.trust(have, { bundle, path: authority.path })
    return authority === held && this.#successor ? this.#succeed(authority, this.#successor, secret) : authority
  }

  /** Fills in what the Secret lacks. */
  async #begin(held: Authority | undefined, secret: Secret): Promise<Authority> {
    const kept = held ?? { current: await newAdmissionAuthority(this.#now()) }
    const authority = { ...kept, path: newPath() }
    await this.#options.secret.write(authority, secret)
    this.#options.log.info(held ? 'the webhook has a path now' : "a new authority signs the webhook's certificates")
    return authority
  }

  async #succeed(authority: Authority, { pair, trustedSinceMs }: Successor, secret: Secret) {
    const sinceMs = trustedSinceMs ?? this.#now()
    this.#successor = { pair, trustedSinceMs: sinceMs }
    if (this.#now() - sinceMs < SETTLE_MS) return authority
    const next = succeeded(authority, pair)
    await this.#options.secret.write(next, secret)
    this.#options.log.info("the authority of the webhook's certificates was replaced")
    this.#successor = undefined
    return next
  }
}

export type Certificates = AsyncDisposable & {
  /** Rejects while reviews are asked for that can't be answered. */
  readonly ping: () => Promise<void>
}

/** Looks now and again until disposed. */
export const keepCertificates = async (options: CertificatesOptions): Promise<Certificates> => {
  const keeper = new Keeper(options)
  await keeper.look()
  let underWay: Promise<void> | undefined
  const timer = setInterval(() => {
    underWay ??= keeper.look().finally(() => {
      underWay = undefined
    })
  }, LOOK_MS)
  return {
    ping: async () => keeper.ping(),
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      await underWay
    },
  }
}
