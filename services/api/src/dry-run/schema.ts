/** What is sent to a dry run: an AlertRule's spec, and the part of the history that it is tried on. */
import { alertRuleSpec, SELECTOR_OPERATORS } from '@fleetloom/crds/alert-rule'
import { DURATION, durationMs } from '@fleetloom/crds/units'
import { microsOfText } from '@fleetloom/shared/rows/timestamp'
import { z } from 'zod'
import { deviceId, fleetName, namespaceName } from '../http/params.ts'

/** What one dry run may ask for. */
export const LIMITS = { days: 31, devices: 1_000, transitions: 10_000 } as const

const SPAN_MICROS = LIMITS.days * 86_400e6
const LONGEST = '7d'

const duration = z
  .string()
  .refine(
    (text) => DURATION.test(text) && durationMs(text) <= durationMs(LONGEST),
    `must be a duration from 0s to ${LONGEST}, such as 90s or 5m`,
  )
  .default('0s')

const time = z.string().transform((text, context) => {
  const micros = microsOfText(text)
  if (micros !== undefined) return micros
  context.addIssue({ code: 'custom', message: 'must be a time such as 2026-01-31T12:00:00Z' })
  return z.NEVER
})

const requirement = z
  .strictObject({
    key: z.string().max(317),
    operator: z.enum(SELECTOR_OPERATORS),
    values: z.array(z.string().max(63)).max(32).default([]),
  })
  .refine(
    ({ operator, values }) => (operator === 'In' || operator === 'NotIn') === values.length > 0,
    'In and NotIn need values; Exists and DoesNotExist take none',
  )

const selector = z
  .strictObject({
    matchLabels: z.record(z.string(), z.string().max(63)).default({}),
    matchExpressions: z.array(requirement).max(16).default([]),
  })
  .prefault({})

const { when, clearWhen, forReadings, severity, labels, annotations } = alertRuleSpec.shape

/** `notify` and `suspend` may stand there as in the resource: nobody is told, and a suspended rule is tried all the same. */
export const dryRunBody = z
  .strictObject({
    namespace: namespaceName,
    fleet: fleetName,
    ...{ when, clearWhen, forReadings, severity, labels, annotations, selector },
    for: duration,
    keepFiringFor: duration,
    notify: z.unknown().optional(),
    suspend: z.boolean().optional(),
    from: time,
    to: time.optional(),
    devices: z.array(deviceId).min(1).max(LIMITS.devices).optional(),
    limit: z.number().int().min(1).max(LIMITS.transitions).default(1_000),
  })
  .transform(({ to, ...body }) => {
    const nowMicros = Date.now() * 1000
    return { ...body, nowMicros, to: Math.min(to ?? nowMicros, nowMicros) }
  })
  .superRefine(({ from, to }, context) => {
    const issue = (message: string) => context.addIssue({ code: 'custom', path: ['from'], message })
    if (to <= from) issue('must be before `to`, and in the past')
    else if (to - from > SPAN_MICROS) issue(`must be at most ${LIMITS.days} days before \`to\``)
  })

/** Times are in µs since the epoch; `to` is not in the future. */
export type DryRunBody = z.output<typeof dryRunBody>
