/** `make demo CHECK=1`: sends the one reading that nobody simulates, waits for new rows of every fleet and counts all. */
import { label, namesOf, type Ref } from '@fleetloom/crds/names'
import type { Device } from '../kit/api-client.ts'
import type { Platform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { run } from '../tools/run.ts'
import { DemoError } from './folder.ts'
import { publishCommand } from './guide.ts'
import { say } from './screen.ts'

const DEADLINE_MS = 60_000
const names = namesOf()

const countRows = async ({ sql }: Platform, fleet: Ref): Promise<number> => {
  const [row] = await sql<{ n: number }>(`select count() n from "${names.table(fleet)}"`)
  return row?.n ?? 0
}

/** @throws when no row of a fleet arrives. */
export const checkRows = async (platform: Platform, device: Device): Promise<void> => {
  const fleets = await platform.fleets()
  if (fleets.length === 0) throw new DemoError('the operator knows no fleet')
  const before = await Promise.all(fleets.map((fleet) => countRows(platform, fleet)))
  await publishOne(platform, device)
  const counts = await Promise.all(
    fleets.map((fleet, i) => {
      const what = `rows of fleet ${label(fleet)} to reach the database`
      const more = async () => {
        const n = await countRows(platform, fleet)
        return n > (before[i] as number) ? n : undefined
      }
      return until(more, { what, deadlineMs: DEADLINE_MS, everyMs: 200 })
    }),
  )
  fleets.forEach((fleet, i) => {
    say(`rows fleet=${label(fleet)} n=${counts[i]}`)
  })
}

/** Nobody simulates this device. */
const publishOne = async (platform: Platform, device: Device): Promise<void> => {
  const { code, output } = await run('bash', ['-c', publishCommand(platform, device)])
  if (code !== 0) throw new DemoError(`mosquitto_pub failed: ${output.trim()}`)
}
