/**
 * What each service may do on NATS, and no more. JetStream's API has the stream's name as one token of the subject, and a
 * wildcard covers a whole token: a right on every fleet's stream is a right on every stream, so the streams that are
 * not fleets' are denied by name.
 */
import { namesOf } from '@fleetloom/crds/names'

export const NATS_USERS = ['admin', 'operator', 'ingest', 'writer', 'alerter', 'api'] as const
export type NatsUser = (typeof NATS_USERS)[number]

type Subjects = { readonly allow: readonly string[]; readonly deny?: readonly string[] }
export type Permissions = {
  readonly publish: Subjects
  readonly subscribe: Subjects
  readonly allow_responses?: boolean | { readonly max: number; readonly expires: string }
}

const INBOX = '_INBOX.>'
/** The alerter answers a question once for each shard that it holds. */
const MOST_SHARDS = 64

/** Opening a bucket, reading and watching it. */
const readBucket = (bucket: string): string[] => [
  `$JS.API.STREAM.INFO.KV_${bucket}`,
  `$JS.API.STREAM.CREATE.KV_${bucket}`,
  `$JS.API.STREAM.MSG.GET.KV_${bucket}`,
  `$JS.API.DIRECT.GET.KV_${bucket}`,
  `$JS.API.DIRECT.GET.KV_${bucket}.>`,
  `$JS.API.CONSUMER.CREATE.KV_${bucket}`,
  `$JS.API.CONSUMER.CREATE.KV_${bucket}.>`,
  `$JS.API.CONSUMER.INFO.KV_${bucket}.*`,
  `$JS.API.CONSUMER.DELETE.KV_${bucket}.*`,
]

const writeBucket = (bucket: string): string[] => [...readBucket(bucket), `$KV.${bucket}.>`]

/** A service reports under its own name only. */
const reportApplied = (bucket: string, service: string): string[] => [
  ...readBucket(bucket),
  `$KV.${bucket}.${service}.>`,
  `$KV.${bucket}.member.${service}.*`,
]

/** Everything of JetStream's API that names this stream. */
const wholeStream = (stream: string): string[] =>
  ['*.*', '*.*.*'].flatMap((verb) => [`$JS.API.${verb}.${stream}`, `$JS.API.${verb}.${stream}.>`])

/** Making, reading and acknowledging durable consumers of one stream, as the alerter does with its outlets. */
const ownConsumers = (stream: string): string[] => [
  ...['CREATE', 'DURABLE.CREATE', 'INFO', 'DELETE', 'MSG.NEXT'].map((verb) => `$JS.API.CONSUMER.${verb}.${stream}.>`),
  ...[`$JS.API.STREAM.INFO.${stream}`, `$JS.API.STREAM.MSG.GET.${stream}`, `$JS.API.DIRECT.GET.${stream}`],
  ...[`$JS.ACK.${stream}.>`, `$JS.ACK.*.*.${stream}.>`],
]

/** Acknowledging to the writer's consumers, in both forms that the server gives the subject. */
const WRITER_ACKS = ['$JS.ACK.*.writer.>', '$JS.ACK.*.*.*.writer.>']

const BASE = ['$JS.API.INFO', '$JS.FC.>']

const onEach = (verbs: readonly string[], streams: readonly string[], rest = ''): string[] =>
  verbs.flatMap((verb) => streams.map((stream) => `$JS.API.${verb}.${stream}${rest}`))

/** Permissions by user; `admin`, for tests and people, may do everything. */
// A table in disguise: a line for each right.
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: see above
export const natsPermissions = (installation?: string): Readonly<Record<NatsUser, Permissions | undefined>> => {
  const names = namesOf(installation)
  const { pipeline, applied, devices, alerts, keys } = names.buckets
  const root = names.deadSubjects.slice(0, -'dead.>'.length)
  const notFleets = [...Object.values(names.buckets).map((bucket) => `KV_${bucket}`), names.deadLetters]
  const dead = names.deadLetters
  const service = (allow: string[], deny: string[] = []): Permissions => ({
    publish: { allow: [...BASE, ...allow], deny },
    subscribe: { allow: [INBOX] },
  })
  return {
    admin: undefined,
    operator: service(
      ['$JS.API.>', ...[pipeline, applied, devices, alerts].map((bucket) => `$KV.${bucket}.>`)],
      wholeStream(`KV_${keys}`),
    ),
    ingest: {
      ...service([
        ...[...readBucket(pipeline), ...reportApplied(applied, 'ingest')],
        ...['$JS.API.STREAM.INFO.*', `${root}fleet.>`, `${root}dead.>`],
      ]),
      subscribe: { allow: [INBOX, `${root}replay.>`] },
      allow_responses: true,
    },
    writer: service(
      [
        ...[...readBucket(pipeline), ...reportApplied(applied, 'writer')],
        ...['$JS.API.STREAM.INFO.*', '$JS.API.STREAM.PURGE.*', '$JS.API.STREAM.MSG.GET.*', `${root}dead.>`],
        ...['$JS.API.CONSUMER.INFO.*.writer', '$JS.API.CONSUMER.MSG.NEXT.*.writer', ...WRITER_ACKS],
      ],
      [
        ...onEach(['STREAM.PURGE'], notFleets),
        ...onEach(
          ['STREAM.MSG.GET'],
          [devices, alerts, keys].map((bucket) => `KV_${bucket}`),
        ),
      ],
    ),
    alerter: {
      ...service(
        [
          ...[...writeBucket(alerts), `$JS.API.STREAM.PURGE.KV_${alerts}`, ...reportApplied(applied, 'alerter')],
          ...[pipeline, devices].flatMap(readBucket),
          ...[...ownConsumers('*'), '$JS.API.CONSUMER.CREATE.*', `$JS.API.STREAM.PURGE.${names.alertStream}`],
          ...[`${root}alert.>`, `${root}dead.>`, `${root}fleet.*.*.events`],
        ],
        [`KV_${keys}`, dead].flatMap(wholeStream),
      ),
      subscribe: { allow: [INBOX, `${root}ask.>`] },
      allow_responses: { max: MOST_SHARDS, expires: '10s' },
    },
    api: service([
      ...[...readBucket(pipeline), ...[devices, keys, alerts].flatMap(writeBucket)],
      ...onEach(['STREAM.INFO', 'STREAM.MSG.DELETE', 'DIRECT.GET'], [dead]),
      ...[`${root}fleet.*.*.telemetry.*`, `${root}fleet.*.*.events`, `${root}replay.>`, `${root}ask.>`],
    ]),
  }
}
