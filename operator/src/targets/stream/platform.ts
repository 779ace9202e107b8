/** What the platform as a whole needs of NATS: the KV buckets, but for that of the api's keys, and the stream of dead letters. */
import type { Names } from '@fleetloom/crds/names'
import type { Nats } from '@fleetloom/shared/nats'
import { differences } from './plan.ts'
import { INSTALLATION_KEY } from './shape.ts'
import { orAbsent } from './stream-target.ts'

/** Bounds of the dead letters: per fleet and reason, and in all. The oldest go first. */
export const DEAD_LETTER_BOUNDS = { max_msgs_per_subject: 10_000, max_bytes: 256 * 1024 ** 2 } as const

const deadLetterConfig = (names: Names) => ({
  name: names.deadLetters,
  subjects: [names.deadSubjects],
  storage: 'file' as const,
  retention: 'limits' as const,
  discard: 'old' as const,
  max_age: 0,
  allow_direct: true,
  ...DEAD_LETTER_BOUNDS,
})

const ensureDeadLetters = async ({ jsm }: Nats, names: Names): Promise<string[]> => {
  const want = deadLetterConfig(names)
  const metadata = { [INSTALLATION_KEY]: names.installation }
  const have = await orAbsent(jsm.streams.info(want.name))
  if (!have) {
    await jsm.streams.add({ ...want, metadata })
    return [`stream ${want.name} is made`]
  }
  if (have.config.metadata?.[INSTALLATION_KEY] !== names.installation)
    throw new Error(
      `stream ${want.name} exists and was not made by this installation; delete it or choose another installation name`,
    )
  const diff = differences(want, have.config)
  if (diff.length > 0) await jsm.streams.update(want.name, { ...want, metadata })
  return diff.map((one) => `stream ${want.name}: ${one}`)
}

const ensureBucket = async (nats: Nats, bucket: string): Promise<string[]> => {
  if (await orAbsent(nats.jsm.streams.info(`KV_${bucket}`))) return []
  await nats.bucket(bucket)
  return [`bucket ${bucket} is made`]
}

/** The api makes the bucket of its keys itself: nobody else may see it. */
const bucketsOf = ({ buckets: { keys: _, ...rest } }: Names): readonly string[] => Object.values(rest)

/** Brings them about and returns what it had to change, in words. */
export const ensurePlatform = async (nats: Nats, names: Names): Promise<string[]> => {
  const changes: string[] = []
  for (const bucket of bucketsOf(names)) changes.push(...(await ensureBucket(nats, bucket)))
  return [...changes, ...(await ensureDeadLetters(nats, names))]
}
