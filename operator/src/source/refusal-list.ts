/** The manifests that are refused now, and what is said when that changes. */
import type { Logger } from '@fleetloom/shared/process/logger'
import type { Refusal } from './source.ts'

/** `fleet.yaml:7: spec.storage.ttl: must be from 1h to 100y`. */
export const refusalText = ({ file, line, field, message }: Refusal): string =>
  `${file}:${line}: ${field === '' ? '' : `${field}: `}${message}`

type NamedRefusal = Refusal & Required<Pick<Refusal, 'resource'>>

const isNamed = (refusal: Refusal): refusal is NamedRefusal => refusal.resource !== undefined

type Known = ReadonlyMap<string, Refusal>

const minus = (a: Known, b: Known): Refusal[] => [...a].filter(([text]) => !b.has(text)).map(([, refusal]) => refusal)

/** Logs each refusal when it appears, and calls `onChange` for each that appears or goes and names its resource. */
export const createRefusalList = (log: Logger, onChange: (refusal: NamedRefusal, refused: boolean) => void) => {
  let known: Known = new Map()
  return {
    list: (): readonly Refusal[] => [...known.values()],
    replace: (refusals: readonly Refusal[]): void => {
      const next: Known = new Map(refusals.map((refusal) => [refusalText(refusal), refusal]))
      const [appeared, gone] = [minus(next, known), minus(known, next)]
      known = next
      for (const refusal of appeared) log.warn({ ...refusal }, `manifest refused: ${refusalText(refusal)}`)
      if (gone.length > 0 && next.size === 0) log.info('all manifests are valid')
      for (const refusal of gone.filter(isNamed)) onChange(refusal, false)
      for (const refusal of appeared.filter(isNamed)) onChange(refusal, true)
    },
  }
}

export type RefusalList = ReturnType<typeof createRefusalList>
