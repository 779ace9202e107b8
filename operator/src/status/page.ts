/** What `GET /status` tells: every resource with its conditions, refused manifests, and the latest events. */
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import type { Condition } from '@fleetloom/crds/conditions'
import { label } from '@fleetloom/crds/names'
import type { RecordedEvent } from '../source/event-ring.ts'
import { refusalText } from '../source/refusal-list.ts'
import type { Kind, Refusal, Resource } from '../source/source.ts'
import { age, textTable } from './table.ts'

export type StatusPage = {
  readonly resources: readonly Resource[]
  readonly refused: readonly Refusal[]
  readonly events: readonly RecordedEvent[]
}

const EVENTS_SHOWN = 12
const MESSAGE_WIDTH = 100

const conditionOf = ({ status }: Resource, type: string): Condition | undefined =>
  status?.conditions.find((condition) => condition.type === type)

const shorten = (text: string): string => (text.length <= MESSAGE_WIDTH ? text : `${text.slice(0, MESSAGE_WIDTH - 1)}…`)

type Column = readonly [heading: string, cell: (resource: Resource, nowMs: number) => string]

const count = (value: number | undefined): string => String(value ?? '')
const ago = (at: string | undefined, nowMs: number): string => (at === undefined ? '' : age(Date.parse(at), nowMs))

/** What a kind shows of its own, between READY and SINCE. */
const COLUMNS: Readonly<Record<Kind, readonly Column[]>> = {
  DeviceFleet: [
    ['DEVICES', ({ status }) => count(status?.devices?.registered)],
    ['ONLINE', ({ status }) => count(status?.devices?.online)],
  ],
  AlertRule: [
    ['FLEET', ({ spec }) => (spec as AlertRuleSpec).fleet],
    ['SEVERITY', ({ spec }) => (spec as AlertRuleSpec).severity],
    ['FIRING', ({ status }) => count(status?.firing)],
    ['PENDING', ({ status }) => count(status?.pending)],
    ['EVALUATED', ({ status }, nowMs) => ago(status?.lastEvaluated, nowMs)],
  ],
}

const resourceRow = (resource: Resource, nowMs: number): string[] => {
  const { kind, metadata } = resource
  const ready = conditionOf(resource, 'Ready')
  return [
    metadata.namespace,
    metadata.name,
    ready?.status ?? 'Unknown',
    ready?.reason ?? 'Progressing',
    ...COLUMNS[kind].map(([, cell]) => cell(resource, nowMs)),
    ago(ready?.lastTransitionTime, nowMs),
    shorten(ready?.message ?? 'not looked at yet'),
  ]
}

const resourceTable = (kind: Kind, resources: readonly Resource[], nowMs: number): string => {
  const rows = resources.filter((one) => one.kind === kind).map((one) => resourceRow(one, nowMs))
  const own = COLUMNS[kind].map(([heading]) => heading)
  const headings = ['NAMESPACE', 'NAME', 'READY', 'REASON', ...own, 'SINCE', 'MESSAGE']
  return rows.length === 0 ? '' : `${kind}s\n${textTable(headings, rows)}`
}

/** Conditions that a reader should know of though the fleet is ready. */
const noteLines = (resources: readonly Resource[]): string[] =>
  resources.flatMap((resource) =>
    (resource.status?.conditions ?? [])
      .filter(({ type, status }) => status === 'True' && !type.endsWith('Ready') && type !== 'Accepted')
      .map(({ type, message }) => `${label(resource.metadata)} ${type}: ${message}`),
  )

const section = (title: string, lines: readonly string[]): string =>
  lines.length === 0 ? '' : `${title}\n${lines.map((line) => `  ${line}\n`).join('')}`

/** The page as text for a terminal. */
export const statusText = ({ resources, refused, events }: StatusPage, nowMs: number): string => {
  const faults = refused.map(refusalText)
  const latest = events.slice(-EVENTS_SHOWN).map(({ type, reason, count, lastSeen, ...event }) => {
    const times = count > 1 ? ` (×${count})` : ''
    return `${age(Date.parse(lastSeen), nowMs)} ago  ${type} ${reason}  ${event.kind} ${label(event)}  ${shorten(event.message)}${times}`
  })
  return [
    resourceTable('DeviceFleet', resources, nowMs) || 'no DeviceFleet yet: put a manifest into the folder\n',
    resourceTable('AlertRule', resources, nowMs),
    section('NOTES', noteLines(resources)),
    section('REFUSED (the last good version keeps running)', faults),
    section('LATEST EVENTS', latest),
  ]
    .filter((part) => part !== '')
    .join('\n')
}
