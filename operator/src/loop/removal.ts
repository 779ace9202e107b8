/**
 * One step of a removal. What it needs may never come back, and a resource that waits for it holds up its whole namespace; so
 * a person may name it in the annotation `fleetloom.io/give-up-on`, and the step's failure is an event instead.
 */
import { messageOf } from '@fleetloom/shared/process/logger'
import type { Resource } from '../source/source.ts'
import { BACK_ENDS, type BackEnd, type RemovalStep, type Work } from './kind.ts'

/** Names of back-ends, joined by commas. */
export const GIVE_UP = 'fleetloom.io/give-up-on'

const givenUp = ({ metadata: { annotations } }: Resource): ReadonlySet<BackEnd> => {
  const words = (annotations[GIVE_UP] ?? '').split(',').map((word) => word.trim())
  return new Set(BACK_ENDS.filter((one) => words.includes(one)))
}

/** A removal takes as long as draining does; a person is told how to give up only after that. */
const PATIENCE_MS = 15_000

/** A step that could not be done; `cause` says why. */
export class Blocked extends Error {
  override name = 'Blocked'
  readonly #resource: Resource
  readonly #needs: readonly BackEnd[]

  constructor(cause: unknown, resource: Resource, needs: readonly BackEnd[]) {
    super(messageOf(cause), { cause })
    this.#resource = resource
    this.#needs = needs
  }

  /** What a person can do who does not want to wait any longer; '' while waiting is no surprise. */
  wayOutAt(nowMs: number): string {
    const { kind, metadata } = this.#resource
    const { namespace, name, deletionTimestamp = '' } = metadata
    if (!(nowMs - Date.parse(deletionTimestamp) > PATIENCE_MS)) return ''
    const object = `${kind.toLowerCase()} ${name} --namespace ${namespace}`
    return `; to go on without: kubectl annotate ${object} --overwrite ${GIVE_UP}=${this.#needs.join(',')}`
  }
}

/** @throws Blocked */
export const runRemovalStep = async <Spec, Facts>(
  { needs, run }: RemovalStep<Spec, Facts>,
  work: Work<Spec>,
  facts: Facts,
): Promise<void> => {
  try {
    await run(work, facts)
  } catch (error) {
    const given = givenUp(work.resource)
    if (!needs.some((one) => given.has(one))) throw new Blocked(error, work.resource, needs)
    const message = `gave up on ${needs.join(', ')}: ${messageOf(error)}; what is left there must be removed by hand`
    await work.event({ type: 'Warning', reason: 'GaveUp', message })
  }
}
