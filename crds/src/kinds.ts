/** The kinds of Fleetloom as Kubernetes knows them. */
import { alertRuleSpec, alertRuleStatus, ruleNameRules } from './alert-rule.ts'
import { deviceFleetSpec, deviceFleetStatus, fleetNameRules } from './device-fleet.ts'
import { type OpenApi, openApiOf } from './openapi.ts'

export const GROUP = 'fleetloom.io'
export const VERSION = 'v1alpha1'
export const API_VERSION = `${GROUP}/${VERSION}`

/** A column of `kubectl get`. Priority 1 shows with `-o wide` only. */
export type PrinterColumn = {
  readonly name: string
  readonly type: 'string' | 'integer' | 'date'
  readonly jsonPath: string
  readonly description: string
  readonly priority?: number
}

const condition = (type: string, field: 'status' | 'reason' | 'message'): string =>
  `.status.conditions[?(@.type=="${type}")].${field}`

const READY: PrinterColumn = {
  name: 'Ready',
  type: 'string',
  jsonPath: condition('Ready', 'status'),
  description: 'Whether all is in place.',
}

const REASON: PrinterColumn = {
  name: 'Reason',
  type: 'string',
  jsonPath: condition('Ready', 'reason'),
  description: 'Why, in one word.',
}

const AGE: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since creation.',
}

const MESSAGE: PrinterColumn = {
  name: 'Message',
  type: 'string',
  jsonPath: condition('Ready', 'message'),
  description: 'Why, in words.',
  priority: 1,
}

export const KINDS = {
  DeviceFleet: {
    kind: 'DeviceFleet',
    plural: 'devicefleets',
    singular: 'devicefleet',
    shortNames: ['df'],
    categories: ['fleetloom'],
    about:
      'Devices of one kind: their topics, what they may do, the schema of their readings and how readings are kept.',
    spec: deviceFleetSpec,
    status: deviceFleetStatus,
    nameRules: fleetNameRules,
    columns: [
      READY,
      REASON,
      {
        name: 'Devices',
        type: 'integer',
        jsonPath: '.status.devices.registered',
        description: 'Devices in the registry.',
      },
      { name: 'Online', type: 'integer', jsonPath: '.status.devices.online', description: 'Devices heard of lately.' },
      AGE,
      MESSAGE,
    ] as readonly PrinterColumn[],
  },
  AlertRule: {
    kind: 'AlertRule',
    plural: 'alertrules',
    singular: 'alertrule',
    shortNames: ['ar'],
    categories: ['fleetloom'],
    about: "An expression over the readings of a fleet's devices, and who hears when it holds.",
    spec: alertRuleSpec,
    status: alertRuleStatus,
    nameRules: ruleNameRules,
    columns: [
      READY,
      { name: 'Fleet', type: 'string', jsonPath: '.spec.fleet', description: 'The fleet that is watched.' },
      { name: 'Severity', type: 'string', jsonPath: '.spec.severity', description: 'How bad it is.' },
      { name: 'Firing', type: 'integer', jsonPath: '.status.firing', description: 'Devices for which it fires.' },
      {
        name: 'Pending',
        type: 'integer',
        jsonPath: '.status.pending',
        description: 'Devices for which the expression holds, but not yet for long enough.',
      },
      { name: 'Evaluated', type: 'date', jsonPath: '.status.lastEvaluated', description: 'When it was last judged.' },
      AGE,
      { ...REASON, priority: 1 },
      MESSAGE,
    ] as readonly PrinterColumn[],
  },
} as const

export type KindName = keyof typeof KINDS
export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[]

/** Schema of a whole resource: what the CRD holds and what manifests are held against. */
export const resourceSchema = (kind: KindName): OpenApi => {
  const { about, spec, status, nameRules } = KINDS[kind]
  return {
    type: 'object',
    description: about,
    required: ['spec'],
    ...nameRules,
    properties: {
      apiVersion: { type: 'string', description: `Always ${API_VERSION}.` },
      kind: { type: 'string', description: `Always ${kind}.` },
      metadata: { type: 'object' },
      spec: openApiOf(spec, 'spec'),
      status: openApiOf(status, 'status'),
    },
  }
}
