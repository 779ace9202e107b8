/** What the data plane reported, by key of the applied bucket. */
import { isDeepStrictEqual } from 'node:util'
import { appliedKey, type Ref } from '@fleetloom/crds/names'
import { type AppliedDocument, appliedDocument, type RuleReport } from '@fleetloom/shared/pipeline/applied-document'

const KEY = /^(?:ingest|writer|alerter)\.([^.]+)\.([^.]+)\.\d+$/

/** What is new in a report. */
export type News = {
  /** Something that the fleet's conditions speak of. */
  readonly conditions: boolean
  /** How many devices are online. */
  readonly devices: boolean
  /** UIDs of rules of which more is new than when they were last judged. */
  readonly rules: readonly string[]
}

/** The fleet whose report stands under a key; undefined for another kind of key. */
const fleetOf = (key: string): Ref | undefined => {
  const [, namespace, name] = KEY.exec(key) ?? []
  return namespace && name ? { namespace, name } : undefined
}

const steadyPart = ({ lastEvaluatedMs, ...rest }: RuleReport) => ({ ...rest, judged: lastEvaluatedMs !== undefined })

const rulesOf = (report: AppliedDocument | undefined): ReadonlyMap<string, object> =>
  new Map(report?.rules?.map((rule) => [rule.uid, steadyPart(rule)]))

const newsOf = (before: AppliedDocument | undefined, after: AppliedDocument): News => {
  const [old, now] = [rulesOf(before), rulesOf(after)]
  const told = ({ uid, generation, state, observed }: AppliedDocument) => ({ uid, generation, state, observed })
  return {
    conditions: before === undefined || !isDeepStrictEqual(told(before), told(after)),
    devices: before?.devices?.online !== after.devices?.online,
    rules: [...new Set([...old.keys(), ...now.keys()])].filter((uid) => !isDeepStrictEqual(old.get(uid), now.get(uid))),
  }
}

const parse = (value: Uint8Array): AppliedDocument | undefined => {
  try {
    return appliedDocument.safeParse(JSON.parse(new TextDecoder().decode(value))).data
  } catch {
    return undefined
  }
}

export class AppliedIndex {
  readonly #reports = new Map<string, AppliedDocument>()
  readonly #onNews: (fleet: Ref, news: News) => void

  /** `onNews` is told whose report changed, and what of it. */
  constructor(onNews: (fleet: Ref, news: News) => void) {
    this.#onNews = onNews
  }

  onPut(key: string, value: Uint8Array): void {
    const fleet = fleetOf(key)
    const report = fleet && parse(value)
    if (!fleet || !report) return
    const news = newsOf(this.#reports.get(key), report)
    this.#reports.set(key, report)
    this.#onNews(fleet, news)
  }

  onDelete(key: string): void {
    this.#reports.delete(key)
  }

  /** Keys of a fleet's reports that are there. */
  keysOf(fleet: Ref): readonly string[] {
    const isOf = (key: string) => {
      const other = fleetOf(key)
      return other?.namespace === fleet.namespace && other.name === fleet.name
    }
    return [...this.#reports.keys()].filter(isOf)
  }

  /** Keys of reports about the fleet's sessions from this number on. */
  sessionKeysFrom(fleet: Ref, first: number): readonly string[] {
    return this.keysOf(fleet).filter((key) => {
      const [service, , , session] = key.split('.')
      return service === 'ingest' && Number(session) >= first
    })
  }

  reportsOf(fleet: Ref): readonly AppliedDocument[] {
    return this.keysOf(fleet).map((key) => this.#reports.get(key) as AppliedDocument)
  }

  /** Sessions of ingest, by number, of which `holds` is not true. */
  sessionsWithout(fleet: Ref, sessions: number, holds: (report: AppliedDocument) => boolean): readonly number[] {
    return Array.from({ length: sessions }, (_, session) => session).filter((session) => {
      const report = this.#reports.get(appliedKey('ingest', fleet, session))
      return report === undefined || !holds(report)
    })
  }

  /** Reports of the alerter about this very fleet, by shard; undefined where there is none. */
  shardsOf(fleet: Ref & { readonly uid: string }, shards: number): readonly (AppliedDocument | undefined)[] {
    return Array.from({ length: shards }, (_, shard) => {
      const report = this.#reports.get(appliedKey('alerter', fleet, shard))
      return report?.uid === fleet.uid ? report : undefined
    })
  }
}
