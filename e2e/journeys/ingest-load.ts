/** Numbered readings sent to ingest under test, and what of them is on the stream. */
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Load, type LoadResult, startLoad } from '@fleetloom/simulator/load/load'
import { bareScalar, objectPayload } from '@fleetloom/simulator/load/payload'
import { until } from '../kit/until.ts'
import { type IngestUnderTest, rowsOf } from './ingest-under-test.ts'

const CONNECTIONS = 2
const DEVICES = 50

/** Makes users that may publish for all devices of the fleet, and returns how to start a load with them. */
export const prepareLoad = async (under: IngestUnderTest, document: FleetDocument) => {
  const { namespace, name } = document
  const isScalar = document.topics.telemetry[0]?.includes('{measurement}') ?? false
  const topicOf = (device: string) =>
    isScalar ? `${name}/${device}/battery` : `fleets/${namespace}/${name}/${device}/telemetry`
  const logins = Array.from({ length: CONNECTIONS }, (_, i) => `${namespace}.${name}-load-${i}`)
  for (const username of logins) {
    await using session = await under.user(username, [topicOf('+')])
    await session.client.endAsync()
  }
  return (options: { readonly count?: number; readonly rate: number }): Promise<Load> =>
    startLoad({
      port: under.mosquitto.port,
      logins: logins.map((username) => ({ clientId: username, username, password: 'secret' })),
      devices: Array.from({ length: DEVICES }, (_, i) => `d-${i}`),
      topicOf,
      payload: isScalar ? bareScalar() : objectPayload(),
      reconnect: true,
      ...options,
    })
}

export type Tally = { readonly missing: number; readonly duplicates: number; readonly reordered: number }

/** Each device's readings in the order in which the stream has them. */
const readingsOf = (rows: readonly string[]): Map<string, { number: number; row: string }[]> => {
  const readings = new Map<string, { number: number; row: string }[]>()
  for (const row of rows) {
    const [, device = '', number = ''] = /device=([^, ]+).*battery=(\d+)/.exec(row) ?? []
    const own = readings.get(device) ?? []
    own.push({ number: Number(number), row })
    readings.set(device, own)
  }
  return readings
}

/** Numbers that come for the first time behind a greater one. */
const reorderedOf = (numbers: readonly number[]): number => {
  const seen = new Set<number>()
  let greatest = -1
  let reordered = 0
  for (const number of numbers) {
    if (!seen.has(number) && number < greatest) reordered++
    seen.add(number)
    greatest = Math.max(greatest, number)
  }
  return reordered
}

/**
 * Compares what the broker acknowledged with what is on the stream. Rows that are equal to the byte are one row to the
 * database, so `duplicates` counts only different rows of one number.
 */
export const tallyOf = (rows: readonly string[], { acknowledgedNumbers }: LoadResult): Tally => {
  const readings = readingsOf(rows)
  const numbers = [...readings.values()].flatMap((own) => own.map(({ number }) => number))
  const found = new Set(numbers)
  return {
    missing: [...acknowledgedNumbers.values()].filter((number) => !found.has(number)).length,
    duplicates: new Set(rows).size - found.size,
    reordered: [...readings.values()].reduce((sum, own) => sum + reorderedOf(own.map(({ number }) => number)), 0),
  }
}

/** Waits until nothing acknowledged is missing from the stream, and says what else there is. */
export const untilComplete = async (
  under: IngestUnderTest,
  document: FleetDocument,
  result: LoadResult,
): Promise<Tally> => {
  await until(
    async () => {
      const { missing } = tallyOf(await rowsOf(under, document), result)
      if (missing > 0) throw new Error(`${missing} of ${result.acknowledgedNumbers.size} are missing`)
      return true
    },
    { what: 'everything that was acknowledged', deadlineMs: 40_000, everyMs: 500 },
  )
  return tallyOf(await rowsOf(under, document), result)
}
