/** When a device of the reference was heard, on the count of silence, and which rules find it silent. */
import type { Need } from '../../need.ts'
import type { EventRow, Reading } from './builders.ts'
import type { Rule, World } from './reference-world.ts'

export class ReferenceSilence {
  readonly #world: World
  readonly #heard = new Map<string, number>()
  #heardAny: number

  constructor(world: World) {
    this.#world = world
    this.#heardAny = world.silence
  }

  hear(row: Reading | EventRow): void {
    const { silence } = this.#world
    if (!('type' in row) || !row.type.startsWith('device_')) this.#heardAny = silence
    if ('values' in row) for (const name of Object.keys(row.values)) this.#heard.set(name, silence)
  }

  /** A measurement counts as heard when the first rule begins to ask for its absence. */
  begin(measurement: string): void {
    this.#heard.set(measurement, this.#world.silence)
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
    return needs.flatMap((need) => {
      if (need.fn === 'absent') return [(this.#heard.get(need.measurement) ?? 0) + need.windowMs]
      return need.fn === 'offline' ? [this.#heardAny + this.#world.fleet.offlineAfterMs] : []
    })
  }
}
