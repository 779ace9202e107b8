import { label } from '@fleetloom/crds/names'
import { Stalling } from '../loop/errors.ts'
import type { Work } from '../loop/kind.ts'
import { refusalText } from './refusal-list.ts'
import type { Source } from './source.ts'

/**
 * The step that says that a newer manifest of the resource was refused. It stands last, so that the last good version is in place
 * before.
 */
export const notRefused = ({ source }: { readonly source: Pick<Source, 'refusals'> }) => ({
  condition: 'Accepted' as const,
  after: [],
  run: async <Spec>({ resource: { kind, metadata } }: Work<Spec>): Promise<undefined> => {
    const isOfThis = (one: { readonly kind: string; readonly namespace: string; readonly name: string } | undefined) =>
      one?.kind === kind && label(one) === label(metadata)
    const refusal = source.refusals().find(({ resource }) => isOfThis(resource))
    if (!refusal) return
    throw new Stalling('Invalid', `${refusalText(refusal)}; generation ${metadata.generation} keeps running`)
  },
})
