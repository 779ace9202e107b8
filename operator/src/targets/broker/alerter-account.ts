/**
 * The account with which the alerter publishes alerts on the broker. It may publish on the topics that rules name, for any device and
 * for any fleet of the namespace, as far as there is room (`alert-topics.ts`), and on nothing else: those of the rules' documents, which
 * the alerter follows, and those of a document that is about to be written, so that the right is there before it is used.
 */
import { label, type Names, type Ref } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { Account } from '@fleetloom/shared/broker/broker'
import { alertFilter, boundedFilters, crowdedOut, type Topics } from './alert-topics.ts'
import { type AccountChange, planAccounts, sortedAcl } from './plan.ts'
import { applyToOwn, type OwnAccounts } from './sessions.ts'

type Deps = OwnAccounts & {
  readonly names: Pick<Names, 'alerterUser'>
  readonly documents: { all(): readonly RuleDocument[] }
}

/** Filters of all topics on which a rule publishes. */
export const alertFilters = ({ notify }: Pick<RuleDocument, 'notify'>): readonly string[] =>
  notify.flatMap((receiver) => (receiver.kind === 'mqtt' ? [alertFilter(receiver.topic)] : []))

export class AlerterAccount {
  readonly #deps: Deps
  /** By label: filters of the rules that this process has looked at. */
  readonly #announced = new Map<string, Topics>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * To be told before a rule's document is written. `leaving` are filters that the rule names no more and that the ends of its alerts
   * go to. Gives the filters for which there is no room; the document must do without.
   */
  announce(rule: Ref, filters: readonly string[], leaving: readonly string[] = []): readonly string[] {
    this.#announced.delete(label(rule))
    const wanted = { namespace: rule.namespace, filters }
    const crowded = filters.length > 0 ? crowdedOut(wanted, this.#others(rule)) : []
    const fits = filters.filter((filter) => !crowded.includes(filter))
    this.#announced.set(label(rule), { namespace: rule.namespace, filters: [...fits, ...leaving] })
    return crowded
  }

  /** What was announced of a rule and had room; undefined when nothing was since this process began. */
  announced(rule: Ref): readonly string[] | undefined {
    return this.#announced.get(label(rule))?.filters
  }

  /** To be told when a rule is gone. */
  withdraw(rule: Ref): void {
    this.#announced.delete(label(rule))
  }

  /** The account as it should be now. */
  wanted(): Account {
    const { names } = this.#deps
    const publish = boundedFilters(this.#others())
    return { username: names.alerterUser, acl: sortedAcl({ publish, subscribe: [] }), disabled: false }
  }

  /** Brings the account about and returns what had to change. One caller at a time, so that none undoes another's. */
  converge(): Promise<readonly AccountChange[]> {
    const mine = this.#turn.then(() => this.#converge())
    this.#turn = mine.catch(() => undefined)
    return mine
  }

  /** What the rules publish on, but for one. */
  #others(but?: Ref): readonly Topics[] {
    const documents = this.#deps.documents.all().filter((one) => !but || label(one) !== label(but))
    const inForce = documents.map((one) => ({ namespace: one.namespace, filters: alertFilters(one) }))
    return [...inForce, ...this.#announced.values()]
  }

  async #converge(): Promise<readonly AccountChange[]> {
    const changes = planAccounts([this.wanted()], await this.#deps.accounts.get())
    for (const change of changes) await applyToOwn(this.#deps, change)
    return changes
  }
}
