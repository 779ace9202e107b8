/** Text tables as `kubectl get` prints them: upper-case headings, three spaces between columns, no trailing blanks. */

export const textTable = (headings: readonly string[], rows: readonly (readonly string[])[]): string => {
  const all = [headings, ...rows]
  const widths = headings.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)))
  return all
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] as number))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('')
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
] as const

/** How long something lasts, as kubectl says it: `45s`, `12m`, `5h`, `3d`. */
export const age = (fromMs: number, toMs: number): string => {
  const seconds = Math.max(0, Math.floor((toMs - fromMs) / 1_000))
  const unit = UNITS.find(([, size]) => seconds >= size * 2)
  return unit ? `${Math.floor(seconds / unit[1])}${unit[0]}` : `${seconds}s`
}
