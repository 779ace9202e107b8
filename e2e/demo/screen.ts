/** What the demo says: short lines, a tick and seconds for what is done. */
import { writeSync } from 'node:fs'

const STDOUT = 1
const startMs = performance.now()
const isTerminal = process.stdout.isTTY === true

const styled =
  (code: number) =>
  (text: string): string =>
    isTerminal ? `\x1b[${code}m${text}\x1b[0m` : text

export const bold = styled(1)
export const dim = styled(2)
const green = styled(32)
const red = styled(31)

/** Written at once, so that nothing is lost when the process ends. */
export const say = (line = ''): void => {
  writeSync(STDOUT, `${line}\n`)
}

const seconds = (sinceMs: number): string => dim(`${((performance.now() - sinceMs) / 1000).toFixed(1)} s`)

/** A tick, and the seconds since the start of the demo or since `sinceMs`. */
export const done = (what: string, sinceMs = startMs): void =>
  say(`  ${green('✓')} ${what.padEnd(34)} ${seconds(sinceMs)}`)

export const failed = (what: string): void => say(`  ${red('✗')} ${what}`)

/** Two columns, the first as wide as its longest cell. */
export const table = (rows: readonly (readonly [string, string])[]): void => {
  const width = Math.max(...rows.map(([name]) => name.length))
  for (const [name, value] of rows) say(`  ${name.padEnd(width)}  ${value}`)
}
