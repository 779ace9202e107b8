/**
 * Scores a series of readings from standard input, for trying the detector on one's own data and for benchmarks.
 * Usage: npm run --silent anomaly-score -- [--timestamp-column timestamp] [--value-column value] < in.csv > out.csv
 */
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { scoreCsv } from './score-csv.ts'

const run = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      'timestamp-column': { type: 'string', default: 'timestamp' },
      'value-column': { type: 'string', default: 'value' },
    },
  })
  const columns = { timestamp: values['timestamp-column'], value: values['value-column'] }
  process.stdin.setEncoding('utf8')
  await pipeline(process.stdin, (chunks: AsyncIterable<string>) => scoreCsv(chunks, columns), process.stdout)
}

try {
  await run()
} catch (error) {
  // A reader that has seen enough, such as head, is no fault.
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code !== 'EPIPE') {
    process.stderr.write(`anomaly-score: ${error instanceof Error ? error.message : error}\n`)
    process.exitCode = 1
  }
}
