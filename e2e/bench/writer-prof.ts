/**
 * What the writer costs: `node e2e/bench/writer.ts [rows]`. A stream is filled with batches of rows (device, symbol, three numbers,
 * digest: about 110 bytes each), then the writer is started and timed until the last one is acknowledged; its CPU is what the process
 * itself counts, less what it took to start. NATS and QuestDB run on the same machine.
 */
import { WRITER_CONSUMER } from '@fleetloom/crds/names'
import { batchHeaders } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import {
  infoOf,
  metric,
  startWriterUnderTest,
  type Writer,
  type WriterUnderTest,
} from '../journeys/writer-under-test.ts'
import { until } from '../kit/until.ts'

const ROWS = Number(process.argv[2] ?? 500_000)
const ROUNDS = 1
const PUBLISHES_AT_ONCE = 200

const lineOf = (table: string, n: number): string =>
  `${table},device=reefer-${n % 50},door=${n % 2 ? 'open' : 'closed'} temperature=${(n % 400) / 10},humidity=${40 + ((n * 7) % 599) / 10},pressure=${1000 + (n % 31) / 8},digest=${n * 7919}i ${1_700_000_000_000 + n}000000\n`

const bodyOf = (table: string, from: number, rows: number): string =>
  Array.from({ length: rows }, (_, i) => lineOf(table, from + i)).join('')

const fill = async ({ client }: WriterUnderTest, document: FleetDocument, perBatch: number): Promise<void> => {
  const subject = document.stream.telemetrySubjects[0] as string
  const headers = batchHeaders(infoOf(document, perBatch))
  for (let from = 0; from < ROWS; from += perBatch * PUBLISHES_AT_ONCE) {
    const batches = Array.from({ length: PUBLISHES_AT_ONCE }, (_, i) => from + i * perBatch).filter((at) => at < ROWS)
    await Promise.all(
      batches.map((at) => client.js.publish(subject, bodyOf(document.table, at, perBatch), { headers })),
    )
  }
}

const drained = async ({ client }: WriterUnderTest, { stream }: FleetDocument): Promise<boolean> => {
  const { num_pending, num_ack_pending } = await client.jsm.consumers.info(stream.name, WRITER_CONSUMER)
  return num_pending + num_ack_pending === 0
}

const cpuSeconds = (writer: Writer): Promise<number> => metric(writer, 'process_cpu_seconds_total')

const measure = async (under: WriterUnderTest, name: string, perBatch: number): Promise<Record<string, unknown>> => {
  const writer = await under.startWriter({ LOG_LEVEL: 'warn' })
  const document = await under.makeFleet(
    { namespace: 'bench', name },
    { maxBytes: 2 ** 30, noTable: true, noDocument: true },
  )
  await under.questdb.sql(
    `CREATE TABLE "${document.table}" (ts TIMESTAMP, device SYMBOL, digest LONG, temperature DOUBLE, humidity DOUBLE, pressure DOUBLE, door SYMBOL) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, device, digest)`,
  )
  await fill(under, document, perBatch)
  const [cpuBefore, start] = [await cpuSeconds(writer), performance.now()]
  await under.putDocument(document)
  await until(() => drained(under, document), { what: 'the stream to be read', deadlineMs: 120_000, everyMs: 20 })
  const seconds = (performance.now() - start) / 1000
  const cpu = (await cpuSeconds(writer)) - cpuBefore
  console.log(
    (await (await fetch(writer.url + '/metrics')).text())
      .split('\n')
      .filter((l) => /^(nodejs_heap_size|nodejs_external|process_resident|nodejs_heap_space_size_used)/.test(l))
      .join('\n'),
  )
  const rss = await metric(writer, 'process_resident_memory_bytes')
  await writer.kill('SIGTERM')
  await under.questdb.sql(`DROP TABLE "${document.table}"`)
  await under.client.jsm.streams.delete(document.stream.name)
  return {
    'rows per batch': perBatch,
    'rows/s': Math.round(ROWS / seconds),
    'CPU µs/row': Number(((cpu / ROWS) * 1e6).toFixed(3)),
    'CPU µs/batch': Number(((cpu / ROWS) * 1e6 * perBatch).toFixed(1)),
    'memory MB': Math.round(rss / 1e6),
  }
}

await using under = await startWriterUnderTest()
const results: Record<string, unknown>[] = []
for (let round = 1; round <= ROUNDS; round++) {
  for (const perBatch of (process.argv[3] ?? '10').split(',').map(Number))
    results.push(await measure(under, `r${round}-${perBatch}`, perBatch))
}
results.sort((a, b) => Number(a['rows per batch']) - Number(b['rows per batch']))
// biome-ignore lint/suspicious/noConsole: a table on screen is what this program is for
console.table(results)
