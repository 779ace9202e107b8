/** `AlertRule`: an expression over the readings of a fleet's devices, and who hears when it holds. */
import { z } from 'zod'
import { conditions, counted, duration, instant, observedGeneration, rules, SET, stringMap } from './schema.ts'
import { MAX_PATTERN_LENGTH, OWN_PREFIX, patternRules } from './topics.ts'

export const SEVERITIES = ['info', 'warning', 'critical'] as const
export const SELECTOR_OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const

const LABEL_KEY = '^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$'
const LABEL_VALUE = '^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$'

const labelKey = (description: string) => z.string().max(317).regex(new RegExp(LABEL_KEY)).describe(description)

const requirement = z
  .object({
    key: labelKey('Name of the label.'),
    operator: z.enum(SELECTOR_OPERATORS).describe('How the value relates to values.'),
    values: z
      .array(z.string().max(63).regex(new RegExp(LABEL_VALUE)).describe('A value.'))
      .max(32)
      .meta(SET)
      .default([])
      .describe('Values for In and NotIn; none for Exists and DoesNotExist.'),
  })
  .meta(
    rules([
      "(self.operator in ['In', 'NotIn']) == (self.values.size() > 0)",
      'In and NotIn need values; Exists and DoesNotExist take none',
    ]),
  )
  .describe('One requirement.')

const selector = z
  .object({
    matchLabels: stringMap(16, 63)
      .meta(
        rules([
          `self.all(key, key.matches('${LABEL_KEY}') && self[key].matches('${LABEL_VALUE}'))`,
          'must hold labels as in Kubernetes',
        ]),
      )
      .default({})
      .describe('Labels that a device must have, each with this value.'),
    matchExpressions: z
      .array(requirement)
      .max(16)
      .default([])
      .describe('Requirements on labels; all of them must hold.'),
  })
  .prefault({})
  .describe('Which devices of the fleet the rule watches, by their labels; all when left out.')

const webhook = z
  .object({
    url: z
      .string()
      .max(2048)
      .regex(/^https?:\/\/[^ ]+$/)
      .describe(
        'Address that gets a POST when an alert fires and when it resolves: on the public internet, or in a network that the platform team allows.',
      ),
    secretRef: z
      .object({
        name: z
          .string()
          .max(253)
          .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
          .describe(
            'Name of a Secret of the same namespace, whose key named key holds the text that signs. It bears the label fleetloom.io/use: webhook, and a Role lets the operator get it: the condition Accepted names the commands.',
          ),
      })
      .optional()
      .describe('Secret whose key signs each POST.'),
  })
  .optional()
  .describe('A POST to an address of yours.')

const notify = z
  .object({
    alertmanager: z
      .object({})
      .optional()
      .describe("The platform's Alertmanagers. Nobody is told where the platform team has named none."),
    webhook,
    mqtt: z
      .object({
        topic: z
          .string()
          .max(MAX_PATTERN_LENGTH)
          .meta({ 'x-kubernetes-validations': patternRules({}) })
          .default(`${OWN_PREFIX}{device}/alerts`)
          .describe(
            'Topic pattern, as in a DeviceFleet. A device hears it only where access.subscribe of its fleet lets it.',
          ),
      })
      .optional()
      .describe('A message on the broker.'),
  })
  .meta(
    rules([
      '[has(self.alertmanager), has(self.webhook), has(self.mqtt)].filter(given, given).size() == 1',
      'must have exactly one of alertmanager, webhook, mqtt',
    ]),
  )
  .describe('One receiver: exactly one of alertmanager, webhook, mqtt.')

export const alertRuleSpec = z
  .object({
    suspend: z.boolean().default(false).describe('Stop judging this rule; its alerts resolve.'),
    fleet: z
      .string()
      .max(50)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
      .describe('Name of the DeviceFleet, in the same namespace. The rule waits while there is none.'),
    selector,
    when: z
      .string()
      .min(1)
      .max(2048)
      .describe(
        "CEL expression over the device's own readings and events, such as avg(temperature, '1m') > 8.0. Functions: last, avg, min, max, sum, count, rate, delta, stddev, percentile, absent, offline, anomaly, eventCount, eventAnomaly; windows of at most 24h. It does not hold while it has no value, as without a reading.",
      ),
    for: duration('0s', '7d')
      .default('0s')
      .describe('How long when must hold, in the time of the readings, before the alert fires.'),
    forReadings: z
      .int()
      .min(1)
      .max(1000)
      .default(1)
      .describe(
        'How many readings or events in a row when must hold for before the alert fires, beside for. With more than 1 what holds in silence only, such as offline(), never fires.',
      ),
    clearWhen: z
      .string()
      .min(1)
      .max(2048)
      .optional()
      .describe(
        'CEL expression that ends the alert, once when does not hold any more. Default: when is false. Where there is no value, as without readings, the alert goes on.',
      ),
    keepFiringFor: duration('0s', '7d')
      .default('0s')
      .describe('How long what ends the alert must hold without a break before the alert resolves.'),
    severity: z.enum(SEVERITIES).default('warning').describe('How bad it is.'),
    labels: stringMap(32, 256)
      .meta(
        rules([
          "self.all(key, key.matches('^[A-Za-z_][A-Za-z0-9_]{0,127}$'))",
          'names must be letters, digits and _, as in Prometheus',
        ]),
      )
      .default({})
      .describe(
        "Labels that the alert bears, with the placeholders of annotations. The alert's own alertname, namespace, fleet, device and severity can not be replaced.",
      ),
    annotations: stringMap(32, 1024)
      .meta(
        rules([
          "self.all(key, key.matches('^[A-Za-z_][A-Za-z0-9_]{0,127}$'))",
          'names must be letters, digits and _, as in Prometheus',
        ]),
      )
      .default({})
      .describe(
        'Texts that the alert bears. Filled in are {{ device }}, {{ fleet }}, {{ namespace }}, {{ rule }}, {{ severity }}, {{ value }} (the first number that when reads) and {{ labels.NAME }} (of the device); another name is refused.',
      ),
    notify: z.array(notify).max(8).default([]).describe('Who hears that an alert fires and that it resolved.'),
  })
  .describe('What the rule should be.')

export const alertRuleStatus = z
  .object({
    observedGeneration,
    conditions,
    firing: counted('Devices for which the alert fires.'),
    pending: counted('Devices for which the expression holds, but not yet for long enough.'),
    lastEvaluated: instant('Newest time of readings at which the rule was judged, to the minute.'),
  })
  .optional()
  .describe('What the rule is, as far as it is known.')

/** Rules about the name of a rule: it becomes part of keys. */
export const ruleNameRules = rules(
  ['self.metadata.name.size() <= 63', 'metadata.name must have at most 63 characters'],
  [
    "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    'metadata.name must be lower case letters, digits and -, without dots',
  ],
)

/** The spec with every default filled in. */
export type AlertRuleSpec = z.output<typeof alertRuleSpec>
/** The spec as it may be written. */
export type AlertRuleInput = z.input<typeof alertRuleSpec>
