/**
 * The account with which the alerter publishes alerts on the broker. It may publish on the topics that rules name, for any device,
 * and nothing else: those of the rules' documents, which the alerter follows, and those of a document that is about to be written,
 * so that the right is there before it is used.
 */
import { label, type Names, type Ref } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import { filterFor } from '@fleetloom/shared/broker/acl'
import type { Account } from '@fleetloom/shared/broker/broker'
import { type AccountChange, planAccounts, sortedAcl } from './plan.ts'
import { applyToOwn, type OwnAccounts } from './sessions.ts'

type Deps = OwnAccounts & {
  readonly names: Pick<Names, 'alerterUser'>
  readonly documents: { all(): readonly RuleDocument[] }
}

/** Filters of all topics on which a rule publishes. */
export const alertFilters = ({ notify }: Pick<RuleDocument, 'notify'>): readonly string[] =>
  notify.flatMap((receiver) => (receiver.kind === 'mqtt' ? [filterFor(receiver.topic, '+')] : []))

export class AlerterAccount {
  readonly #deps: Deps
  /** By label: filters of the rules that this process has looked at. */
  readonly #announced = new Map<string, readonly string[]>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** To be told before a rule's document is written. */
  announce(rule: Ref, filters: readonly string[]): void {
    this.#announced.set(label(rule), filters)
  }

  /** What was announced of a rule; undefined when nothing was since this process began. */
  announced(rule: Ref): readonly string[] | undefined {
    return this.#announced.get(label(rule))
  }

  /** To be told when a rule is gone. */
  withdraw(rule: Ref): void {
    this.#announced.delete(label(rule))
  }

  /** The account as it should be now. */
  wanted(): Account {
    const { names, documents } = this.#deps
    const publish = [...documents.all().flatMap(alertFilters), ...[...this.#announced.values()].flat()]
    return { username: names.alerterUser, acl: sortedAcl({ publish, subscribe: [] }), disabled: false }
  }

  /** Brings the account about and returns what had to change. One caller at a time, so that none undoes another's. */
  converge(): Promise<readonly AccountChange[]> {
    const mine = this.#turn.then(() => this.#converge())
    this.#turn = mine.catch(() => undefined)
    return mine
  }

  async #converge(): Promise<readonly AccountChange[]> {
    const changes = planAccounts([this.wanted()], await this.#deps.accounts.get())
    for (const change of changes) await applyToOwn(this.#deps, change)
    return changes
  }
}
