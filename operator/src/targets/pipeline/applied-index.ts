/** What the data plane reported, by key of the applied bucket. */
import { appliedKey, type Ref } from '@fleetloom/crds/names'
import { type AppliedDocument, appliedDocument } from '@fleetloom/shared/pipeline/applied-document'

const KEY = /^(?:ingest|writer)\.([^.]+)\.([^.]+)\.\d+$/

/** The fleet whose report stands under a key; undefined for another kind of key. */
const fleetOf = (key: string): Ref | undefined => {
  const [, namespace, name] = KEY.exec(key) ?? []
  return namespace && name ? { namespace, name } : undefined
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
  readonly #onChange: (fleet: Ref) => void

  /** `onChange` is told whose report changed. */
  constructor(onChange: (fleet: Ref) => void) {
    this.#onChange = onChange
  }

  onPut(key: string, value: Uint8Array): void {
    const fleet = fleetOf(key)
    const report = fleet && parse(value)
    if (!fleet || !report) return
    this.#reports.set(key, report)
    this.#onChange(fleet)
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
}
