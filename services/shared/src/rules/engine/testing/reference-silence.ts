/** When a device of the reference was heard, in the time of the stream, ms, and which rules find it silent. */
import type { Need } from '../../need.ts'
import type { EventRow, Reading } from './builders.ts'
import { hearing, markOf, type Rule, silenceAt, type World } from './reference-world.ts'

const NONE = Number.NEGATIVE_INFINITY

export class ReferenceSilence {
  readonly #world: World
  readonly #heard = new Map<string, number>()
  #heardAny: number

  constructor(world: World) {
    this.#world = world
    this.#heardAny = markOf(world) ?? NONE
  }

  hear(row: Reading | EventRow, storedMs: number): void {
    const heard = hearing(this.#world, storedMs)
    if (!('type' in row) || !row.type.startsWith('device_')) this.#heardAny = heard
    if ('values' in row) for (const name of Object.keys(row.values)) this.#heard.set(name, heard)
  }

  /** A measurement counts as heard when the first rule begins to ask for its absence. */
  begin(measurement: string): void {
    this.#heard.set(measurement, markOf(this.#world) ?? NONE)
  }

  /** Whether the last mark made a silence of this rule long enough. */
  crosses(rule: Rule): boolean {
    const { silence, silenceBefore } = this.#world
    return this.#dues(rule.needs).some((due) => silenceBefore < due && due <= silence)
  }

  isSilent(needs: readonly Need[]): boolean {
    return this.#dues(needs).some((due) => due <= this.#world.silence)
  }

  #dues(needs: readonly Need[]): number[] {
    const { fleet } = this.#world
    const since = (heard: number): number => silenceAt(this.#world, heard)
    return needs.flatMap((need) => {
      if (need.fn === 'absent') return [since(this.#heard.get(need.measurement) ?? NONE) + need.windowMs]
      return need.fn === 'offline' ? [since(this.#heardAny) + fleet.offlineAfterMs] : []
    })
  }
}
