/** What to change in a fleet's stream. Pure. */
import { Stalling } from '../../loop/errors.ts'
import {
  CONSUMER_SETTINGS,
  INSTALLATION_KEY,
  STREAM_SETTINGS,
  type StreamHave,
  type StreamWant,
  UID_KEY,
} from './shape.ts'

type Action =
  | { readonly do: 'create-stream' | 'update-stream' | 'create-consumer' | 'update-consumer' }
  | { readonly do: 'replace-consumer'; readonly fromSequence: number }

export type StreamChange = {
  readonly reason: 'Created' | 'Updated'
  readonly message: string
  readonly expected?: boolean
  readonly action: Action
}

type Values = Readonly<Record<string, unknown>>

const words = (value: unknown): string => (Array.isArray(value) ? value.join(',') : String(value))

/** `field have → want` for each field that differs. */
export const differences = (want: Values, have: Values): string[] =>
  Object.entries(want)
    .filter(([field, value]) => words(have[field] ?? '') !== words(value))
    .map(([field, value]) => `${field} ${words(have[field] ?? 'unset')} → ${words(value)}`)

/** Only the user can put right what the server does not let us change. */
const FIXED = ['storage', 'retention'] as const

const refuse = (want: StreamWant, stream: NonNullable<StreamHave['stream']>): void => {
  if (stream.metadata[INSTALLATION_KEY] !== want.metadata[INSTALLATION_KEY])
    throw new Stalling(
      'NotOwned',
      `stream ${want.name} exists and was not made by this installation; it is left alone. Delete it, or give the fleet another name`,
    )
  const fixed = FIXED.filter((field) => stream[field] !== STREAM_SETTINGS[field])
  if (fixed.length > 0)
    throw new Stalling(
      'Immutable',
      `stream ${want.name} has ${fixed.map((field) => `${field} ${stream[field]}, needs ${STREAM_SETTINGS[field]}`).join(' and ')}; let the writer empty it, delete it, and it is made again`,
    )
}

const planStreamItself = (want: StreamWant, stream: NonNullable<StreamHave['stream']>): StreamChange[] => {
  refuse(want, stream)
  const wanted = {
    ...STREAM_SETTINGS,
    subjects: want.subjects,
    max_bytes: want.maxBytes,
    num_replicas: want.replicas,
    [UID_KEY]: want.metadata[UID_KEY],
  }
  const diff = differences(wanted, { ...stream, [UID_KEY]: stream.metadata[UID_KEY] })
  if (diff.length === 0) return []
  return [{ reason: 'Updated', message: `stream ${want.name}: ${diff.join(', ')}`, action: { do: 'update-stream' } }]
}

const planConsumer = ({ name, consumer: want }: StreamWant, { consumer: have }: StreamHave): StreamChange[] => {
  const title = `consumer ${want.name} of stream ${name}`
  if (!have) return [{ reason: 'Created', message: title, action: { do: 'create-consumer' } }]
  const { deliver_policy: _, ...settings } = CONSUMER_SETTINGS
  const filter = have.filter_subjects?.length ? have.filter_subjects : have.filter_subject
  const diff = differences({ ...settings, filter_subject: want.filter }, { ...have, filter_subject: filter })
  if (diff.length === 0) return []
  const action: Action =
    have.ack_policy === settings.ack_policy
      ? { do: 'update-consumer' }
      : { do: 'replace-consumer', fromSequence: have.ackFloor + 1 }
  return [{ reason: 'Updated', message: `${title}: ${diff.join(', ')}`, action }]
}

/** @throws Stalling for a stream that is not ours or has what can't be changed. */
export const planStream = (want: StreamWant, have: StreamHave): readonly StreamChange[] => {
  const stream: StreamChange[] = have.stream
    ? planStreamItself(want, have.stream)
    : [{ reason: 'Created', message: `stream ${want.name}`, action: { do: 'create-stream' } }]
  return [...stream, ...planConsumer(want, have)]
}
