/** `make demo CHECK=1`: sends the one reading that nobody simulates, waits for rows of every fleet and counts them. */
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

/** @throws when the rows of a fleet do not arrive. */
export const checkRows = async (platform: Platform, device: Device): Promise<void> => {
  const { code, output } = await run('bash', ['-c', publishCommand(platform, device)])
  if (code !== 0) throw new DemoError(`mosquitto_pub failed: ${output.trim()}`)
  const fleets = await platform.fleets()
  const counts = await Promise.all(
    fleets.map(async (fleet) => {
      const what = `rows of fleet ${label(fleet)} in the database`
      const n = await until(async () => (await countRows(platform, fleet)) || undefined, {
        what,
        deadlineMs: DEADLINE_MS,
      })
      return { fleet, n }
    }),
  )
  if (counts.length === 0) throw new DemoError('the operator knows no fleet')
  for (const { fleet, n } of counts) say(`rows fleet=${label(fleet)} n=${n}`)
}
