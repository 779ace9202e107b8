/**
 * Why the writer posts rows as they are encoded: `node e2e/bench/sender.ts`. The same rows go to QuestDB through the official client's
 * Sender, from values that stand ready, and as line protocol that stands ready. CPU is this process's own.
 */
import { createQuestdb } from '@fleetloom/shared/questdb/client'
import { Sender } from '@questdb/nodejs-client'
import { type QuestdbServer, startQuestdb } from '../kit/questdb.ts'

const ROWS = 500_000
const PER_REQUEST = 10_000
const PER_BATCH = 500
const ROUNDS = 3

type Values = {
  device: string
  door: string
  temperature: number
  humidity: number
  pressure: number
  digest: number
  ts: bigint
}

const values = (n: number): Values => ({
  device: `reefer-${n % 50}`,
  door: n % 2 ? 'open' : 'closed',
  temperature: (n % 400) / 10,
  humidity: 40 + ((n * 7) % 599) / 10,
  pressure: 1000 + (n % 31) / 8,
  digest: n * 7919,
  ts: 1_700_000_000_000_000_000n + BigInt(n) * 1_000_000n,
})

const lineOf = (table: string, v: Values): string =>
  `${table},device=${v.device},door=${v.door} temperature=${v.temperature},humidity=${v.humidity},pressure=${v.pressure},digest=${v.digest}i ${v.ts}\n`

const chunks = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))

const throughSender = async (server: QuestdbServer, table: string, rows: readonly Values[]) => {
  const address = `addr=${new URL(server.url).host};username=${server.user};password=${server.password.value}`
  const sender = await Sender.fromConfig(`http::${address};auto_flush=off;init_buf_size=4194304`)
  return async () => {
    for (const request of chunks(rows, PER_REQUEST)) {
      for (const v of request) {
        sender.table(table).symbol('device', v.device).symbol('door', v.door)
        sender.floatColumn('temperature', v.temperature).floatColumn('humidity', v.humidity)
        await sender.floatColumn('pressure', v.pressure).intColumn('digest', v.digest).at(v.ts, 'ns')
      }
      await sender.flush()
    }
    await sender.close()
  }
}

const asEncoded = async (server: QuestdbServer, table: string, rows: readonly Values[]) => {
  const client = createQuestdb({
    questdbUrl: server.url,
    questdbUser: server.user,
    questdbPasswordFile: server.password.file,
  })
  const bodies = chunks(rows, PER_BATCH).map((batch) => Buffer.from(batch.map((v) => lineOf(table, v)).join('')))
  return async () => {
    for (const request of chunks(bodies, PER_REQUEST / PER_BATCH)) {
      const answer = await client.write(request, { table, columns: [] })
      if (answer.kind !== 'accepted') throw new Error(JSON.stringify(answer))
    }
    client[Symbol.dispose]()
  }
}

const WAYS = { Sender: throughSender, 'as encoded': asEncoded }

await using server = await startQuestdb({ heapMb: 1024 })
const rows = Array.from({ length: ROWS }, (_, n) => values(n))
const results: Record<string, unknown>[] = []
for (let round = 1; round <= ROUNDS; round++) {
  for (const [way, prepare] of Object.entries(WAYS)) {
    const table = `bench_${results.length}`
    await server.sql(
      `CREATE TABLE ${table} (ts TIMESTAMP, device SYMBOL, digest LONG, temperature DOUBLE, humidity DOUBLE, pressure DOUBLE, door SYMBOL) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, device, digest)`,
    )
    const run = await prepare(server, table, rows)
    const [cpu, start] = [process.cpuUsage(), performance.now()]
    await run()
    const { user, system } = process.cpuUsage(cpu)
    results.push({
      way,
      round,
      'CPU µs/row': Number(((user + system) / ROWS).toFixed(3)),
      'rows/s': Math.round((ROWS / (performance.now() - start)) * 1000),
    })
    await server.sql(`DROP TABLE ${table}`)
  }
}
// biome-ignore lint/suspicious/noConsole: a table on screen is what this program is for
console.table(results)
