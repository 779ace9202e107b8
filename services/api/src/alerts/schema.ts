/** What can be asked of alerts, and what is sent about them. */
import { SEVERITIES } from '@fleetloom/crds/alert-rule'
import { LONGEST_SILENCE_MS, matcher } from '@fleetloom/shared/alerts/silence'
import { ALERT_STATES } from '@fleetloom/shared/alerts/transition'
import { z } from 'zod'
import { labelSelector } from '../devices/label-selector.ts'
import { continueToken, deviceId, fleetName, namespaceName, oneOf, pageLimit } from '../http/params.ts'

export const ruleName = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be lower case letters, digits and hyphens, at most 63')

const about = {
  namespace: namespaceName.optional(),
  fleet: fleetName.optional(),
  rule: ruleName.optional(),
  device: deviceId.optional(),
  severity: oneOf(SEVERITIES).optional(),
}

/** `GET /v1/alerts` */
export const firingQuery = z.strictObject({
  ...about,
  labelSelector: labelSelector.optional(),
  limit: pageLimit(500, 100),
  continue: continueToken.optional(),
})

export type FiringQuery = z.output<typeof firingQuery>

const time = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
  .transform((text) => Date.parse(text))

/** Opaque to the caller: where the page before ended. */
const historyToken = z
  .string()
  .regex(/^h([0-9]{1,16})-([0-9a-f]{1,64})$/, 'must be the `continue` of the page before')
  .transform((token) => {
    const [micros = '', id = ''] = token.slice(1).split('-')
    return { micros: Number(micros), id }
  })

export const historyTokenOf = ({ micros, id }: { readonly micros: number; readonly id: string }): string =>
  `h${micros}-${id}`

/** `GET /v1/alerts/history`; `from` is included, `to` is not. */
export const historyQuery = z.strictObject({
  ...about,
  state: oneOf(ALERT_STATES).optional(),
  from: time.optional(),
  to: time.optional(),
  limit: pageLimit(1000, 100),
  continue: historyToken.optional(),
})

export type HistoryQuery = z.output<typeof historyQuery>

export const acknowledgeBody = z.strictObject({
  author: z.string().min(1).max(128),
  comment: z.string().max(1024).default(''),
})

export const newSilence = z
  .strictObject({
    matchers: z.array(matcher).min(1).max(16),
    startsAt: time.optional(),
    endsAt: time,
    author: z.string().min(1).max(128),
    comment: z.string().max(1024).default(''),
  })
  .superRefine(({ startsAt = Date.now(), endsAt }, context) => {
    const issue = (message: string) => context.addIssue({ code: 'custom', path: ['endsAt'], message })
    if (endsAt <= Math.max(startsAt, Date.now())) issue('must be after startsAt, and not in the past')
    else if (endsAt - startsAt > LONGEST_SILENCE_MS) issue('must be at most 30 days after startsAt')
  })

export type NewSilence = z.output<typeof newSilence>

/** `GET …/silences` */
export const silencesQuery = z.strictObject({ active: oneOf(['true', 'false']).optional() })
