/** What the platform as a whole needs of NATS: the KV buckets, but for that of the api's keys, and the streams of dead letters and alerts. */
import type { Names } from '@fleetloom/crds/names'
import { openAlertsBucket } from '@fleetloom/shared/alerts/bucket'
import type { Nats } from '@fleetloom/shared/nats'
import { Stalling } from '../../loop/errors.ts'
import { differences } from './plan.ts'
import { INSTALLATION_KEY } from './shape.ts'
import { orAbsent } from './stream-target.ts'

/** Bounds of the dead letters: per fleet and reason, and in all. The oldest go first. */
export const DEAD_LETTER_BOUNDS = { max_msgs_per_subject: 10_000, max_bytes: 256 * 1024 ** 2 } as const

/** Bounds of the alerts' transitions. When it is full the alerter waits, so that nothing that was not told is lost. */
export const ALERT_BOUNDS = { max_age: 7 * 24 * 3_600_000_000_000, max_bytes: 256 * 1024 ** 2 } as const

const SETTINGS = { storage: 'file', retention: 'limits', allow_direct: true } as const

const streamsOf = (names: Names) => [
  {
    ...SETTINGS,
    ...{ name: names.deadLetters, subjects: [names.deadSubjects], discard: 'old' as const, max_age: 0 },
    ...DEAD_LETTER_BOUNDS,
  },
  {
    ...SETTINGS,
    ...{ name: names.alertStream, subjects: [names.alertSubjects], discard: 'new' as const },
    ...{ max_msgs_per_subject: -1, ...ALERT_BOUNDS },
  },
]

type StreamConfig = ReturnType<typeof streamsOf>[number]

const ensureStream = async ({ jsm }: Nats, installation: string, want: StreamConfig): Promise<string[]> => {
  const metadata = { [INSTALLATION_KEY]: installation }
  const have = await orAbsent(jsm.streams.info(want.name))
  if (!have) {
    await jsm.streams.add({ ...want, metadata })
    return [`stream ${want.name} is made`]
  }
  if (have.config.metadata?.[INSTALLATION_KEY] !== installation)
    throw new Stalling(
      'NotOwned',
      `stream ${want.name} exists and was not made by this installation; delete it or choose another installation name`,
    )
  const diff = differences(want, have.config)
  if (diff.length > 0) await jsm.streams.update(want.name, { ...want, metadata })
  return diff.map((one) => `stream ${want.name}: ${one}`)
}

const ensureBucket = async (nats: Nats, names: Names, bucket: string): Promise<string[]> => {
  if (await orAbsent(nats.jsm.streams.info(`KV_${bucket}`))) return []
  if (bucket === names.buckets.alerts) await openAlertsBucket(nats, names)
  else await nats.bucket(bucket)
  return [`bucket ${bucket} is made`]
}

/** The api makes the bucket of its keys itself: nobody else may see it. */
const bucketsOf = ({ buckets: { keys: _, ...rest } }: Names): readonly string[] => Object.values(rest)

/** What brings each about and returns what it had to change, in words. */
export const platformWork = (nats: Nats, names: Names): (() => Promise<string[]>)[] => [
  ...bucketsOf(names).map((bucket) => () => ensureBucket(nats, names, bucket)),
  ...streamsOf(names).map((stream) => () => ensureStream(nats, names.installation, stream)),
]
