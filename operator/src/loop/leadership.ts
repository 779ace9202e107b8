/**
 * Which replica works: the holder of a Lease, as client-go elects it.
 *
 * A Lease is valid for 15 s after its holder last renewed it. Everyone looks every 2 s: the holder renews, the others take it
 * when it has not changed for 15 s of their own clocks (clocks are never compared), and look as soon as that may be: a holder that
 * dies is replaced within 17 s. All writes carry the version that was read, so of two who try one wins. A holder that has not renewed
 * for 10 s stops: it is sure to have stopped before another begins.
 *
 * `mayWrite` is asked before every write, because a process can be stopped for any time (a paused machine, a long collection)
 * and go on as if nothing had been: then more than 10 s are over, and it writes nothing more.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import { type KubeApi, KubeError } from '../source/kube/kube-api.ts'

export class NotLeading extends Error {
  override name = 'NotLeading'
}

export type Leadership = AsyncDisposable & {
  /** Resolves once this replica leads. */
  readonly won: Promise<void>
  /** Resolves when it led and can't be sure to lead any more: the process must end. */
  readonly lost: Promise<string>
  /** @throws NotLeading */
  mayWrite(): void
}

/** Whether this replica may write now. */
export const leads = (leadership: Pick<Leadership, 'mayWrite'>): boolean => {
  try {
    leadership.mayWrite()
    return true
  } catch {
    return false
  }
}

/** Standalone mode: there is one replica. */
export const soleLeader: Leadership = {
  won: Promise.resolve(),
  lost: new Promise(() => undefined),
  mayWrite: () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
}

export type LeaseOptions = {
  readonly api: KubeApi
  readonly namespace: string
  readonly name: string
  /** Who we are; unique among the replicas. */
  readonly identity: string
  readonly log: Logger
  /** Monotonic ms. */
  readonly now?: () => number
  /** Waits for so many ms, or until the signal. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>
}

export const LEASE = { durationMs: 15_000, renewWithinMs: 10_000, everyMs: 2_000 } as const

type Spec = {
  readonly holderIdentity?: string
  readonly leaseDurationSeconds?: number
  readonly acquireTime?: string
  readonly renewTime?: string
  readonly leaseTransitions?: number
}

type Lease = { readonly metadata: { readonly resourceVersion: string }; readonly spec?: Spec }

/** Kubernetes' MicroTime. */
const microTime = (): string => new Date().toISOString().replace('Z', '000Z')

class Elector implements Leadership {
  readonly #options: LeaseOptions
  readonly #now: () => number
  readonly #sleep: NonNullable<LeaseOptions['sleep']>
  readonly #stop = new AbortController()
  readonly #won = Promise.withResolvers<void>()
  readonly #lost = Promise.withResolvers<string>()
  /** Another's lease as last seen, and until when it is valid unless it changes. */
  #seen: { readonly version: string; readonly untilMs: number } | undefined
  #renewedAtMs: number | undefined
  /** Who took it while we still held it for ours: then it is never renewed again. */
  #takenBy: string | undefined
  #running: Promise<void>

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#sleep = options.sleep ?? ((ms, signal) => sleep(ms, undefined, { signal }))
    this.#running = this.#run()
  }

  get won(): Promise<void> {
    return this.#won.promise
  }

  get lost(): Promise<string> {
    return this.#lost.promise
  }

  mayWrite(): void {
    if (!this.#isSure()) throw new NotLeading('this replica does not lead (any more): nothing is written')
  }

  /** Gives the lease back, so that another need not wait for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
    if (!this.#isSure()) return
    this.#renewedAtMs = undefined
    try {
      const lease = await this.#read()
      if (lease?.spec?.holderIdentity === this.#options.identity) await this.#write(lease, { holderIdentity: '' })
    } catch (error) {
      this.#options.log.info(`the lease was not given back and ends by itself: ${messageOf(error)}`)
    }
  }

  #isSure(): boolean {
    if (this.#takenBy !== undefined) return false
    return this.#renewedAtMs !== undefined && this.#now() - this.#renewedAtMs < LEASE.renewWithinMs
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#look()
      } catch (error) {
        if (!signal.aborted) this.#options.log.warn(`lease: ${messageOf(error)}`)
      }
      if (this.#renewedAtMs !== undefined && !this.#isSure()) return this.#lost.resolve(this.#reason(this.#renewedAtMs))
      await this.#sleep(this.#pauseMs(), signal).catch(() => undefined)
    }
  }

  /** A follower looks again just when the lease is over; if that look fails, at the usual pace. */
  #pauseMs(): number {
    const leftMs = (this.#seen?.untilMs ?? Number.NEGATIVE_INFINITY) - this.#now()
    return leftMs < 0 || this.#renewedAtMs !== undefined ? LEASE.everyMs : Math.min(LEASE.everyMs, leftMs + 1)
  }

  #reason(renewedAtMs: number): string {
    if (this.#takenBy !== undefined) return `lost the lease: ${this.#takenBy} took it`
    const seconds = (this.#now() - renewedAtMs) / 1000
    return `lost the lease: it could not be renewed for ${seconds.toFixed(0)} s`
  }

  async #look(): Promise<void> {
    const startedMs = this.#now()
    const lease = await this.#read()
    if (!this.#mayTake(lease)) return
    const isOurs = lease?.spec?.holderIdentity === this.#options.identity
    const transitions = (lease?.spec?.leaseTransitions ?? -1) + (isOurs ? 0 : 1)
    const acquireTime = isOurs ? lease?.spec?.acquireTime : undefined
    const written = await this.#write(lease, {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: LEASE.durationMs / 1000,
      acquireTime: acquireTime ?? microTime(),
      renewTime: microTime(),
      leaseTransitions: Math.max(transitions, 0),
    })
    if (!written) return
    if (this.#renewedAtMs === undefined) this.#options.log.info('leading')
    this.#renewedAtMs = startedMs
    this.#won.resolve()
  }

  #mayTake(lease: Lease | undefined): boolean {
    if (!lease?.spec?.holderIdentity || lease.spec.holderIdentity === this.#options.identity) return true
    if (this.#renewedAtMs !== undefined) {
      this.#takenBy = lease.spec.holderIdentity
      return false
    }
    const version = lease.metadata.resourceVersion
    const validMs = (lease.spec.leaseDurationSeconds ?? LEASE.durationMs / 1000) * 1000
    if (this.#seen?.version !== version) this.#seen = { version, untilMs: this.#now() + validMs }
    return this.#now() > this.#seen.untilMs
  }

  get #collection(): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(this.#options.namespace)}/leases`
  }

  async #read(): Promise<Lease | undefined> {
    const path = `${this.#collection}/${this.#options.name}`
    const signal = AbortSignal.timeout(LEASE.renewWithinMs / 2)
    return this.#options.api.request<Lease>({ method: 'GET', path, signal }).catch((error) => {
      if (error instanceof KubeError && error.status === 404) return undefined
      throw error
    })
  }

  /** False when another was quicker. */
  async #write(lease: Lease | undefined, spec: Spec): Promise<boolean> {
    const { api, namespace, name } = this.#options
    const metadata = { namespace, name, ...(lease && { resourceVersion: lease.metadata.resourceVersion }) }
    const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec }
    const path = lease ? `${this.#collection}/${name}` : this.#collection
    const signal = AbortSignal.timeout(LEASE.renewWithinMs / 2)
    try {
      await api.request({ method: lease ? 'PUT' : 'POST', path, body, signal })
      return true
    } catch (error) {
      if (error instanceof KubeError && error.status === 409) return false
      throw error
    }
  }
}

/** Starts to take part in the election, and returns at once. */
export const campaign = (options: LeaseOptions): Leadership => new Elector(options)
