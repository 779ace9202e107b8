/** Files of the Numenta Anomaly Benchmark: a checkout of it (data/, labels/), or a folder of series with a windows.json. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Labelled } from './nab-score.ts'

/** Where this repository's checkouts have seven of them beside it. */
export const NAB_BESIDE = join(import.meta.dirname, '..', '..', '..', 'shared', 'data', 'nab')

type Windows = Record<string, [string, string][]>

/** `2014-04-10 07:15:00.000000`, in UTC; NAB's timestamps name no zone. */
const instant = (text: string): number => Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`)

const labelled = async (folder: string, name: string, windows: Windows[string]): Promise<Labelled> => {
  const lines = (await readFile(join(folder, name), 'utf8')).trim().split(/\r?\n/).slice(1)
  const rows = lines.map((line) => line.split(','))
  return {
    name,
    timestamps: rows.map(([timestamp = '']) => instant(timestamp)),
    values: rows.map(([, value]) => Number(value)),
    windows: windows.map(([from, to]) => [instant(from), instant(to)] as const),
  }
}

export const readNab = async (folder: string): Promise<Labelled[]> => {
  const checkout = join(folder, 'labels', 'combined_windows.json')
  const isCheckout = existsSync(checkout)
  const windows: Windows = JSON.parse(await readFile(isCheckout ? checkout : join(folder, 'windows.json'), 'utf8'))
  const data = isCheckout ? join(folder, 'data') : folder
  return Promise.all(Object.entries(windows).map(([name, of]) => labelled(data, name, of)))
}
