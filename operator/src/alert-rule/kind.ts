import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import { label } from '@fleetloom/crds/names'
import { Stalling } from '../loop/errors.ts'
import type { KindDefinition } from '../loop/kind.ts'
import type { Source } from '../source/source.ts'

/** What an AlertRule means so far: it is checked, and it is said that nobody evaluates it yet. */
export const alertRule = (source: Pick<Source, 'get'>): KindDefinition<AlertRuleSpec, undefined> => ({
  kind: 'AlertRule',
  gather: async () => undefined,
  steps: [
    {
      condition: 'Accepted',
      after: [],
      run: async ({ resource: { metadata, spec } }) => {
        const fleet = { namespace: metadata.namespace, name: spec.fleet }
        if (await source.get('DeviceFleet', fleet)) return undefined
        throw new Stalling('FleetNotFound', `there is no fleet ${label(fleet)} yet; the rule waits for it`)
      },
    },
    {
      condition: 'PipelineReady',
      after: ['Accepted'],
      run: async () => {
        throw new Stalling(
          'WaitingForTarget',
          'no alerter runs in this version: the rule is kept, and evaluated by none',
        )
      },
    },
  ],
})
