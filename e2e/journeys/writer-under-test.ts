/** The writer with a real nats-server and QuestDB; the test does the operator's part (stream, consumer, table, document) and ingest's. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fleetKey, namesOf, type Ref } from '@fleetloom/crds/names'
import { type DeadLetter, deadLetterOf } from '@fleetloom/shared/dead-letters/dead-letter'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { type AppliedDocument, appliedDocument } from '@fleetloom/shared/pipeline/applied-document'
import { type BatchInfo, batchHeaders } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { fleetDocumentOf } from '@fleetloom/shared/pipeline/testing'
import { type Child, startChild } from '../kit/child.ts'
import { makeFleetStream } from '../kit/fleet-stream.ts'
import { type NatsServer, startNats } from '../kit/nats.ts'
import { freePort } from '../kit/ports.ts'
import { type QuestdbServer, startQuestdb } from '../kit/questdb.ts'
import { tempLog } from '../kit/temp.ts'
import { until } from '../kit/until.ts'

const MAIN = join(import.meta.dirname, '../../services/writer/src/main.ts')
const names = namesOf()

/** Nanoseconds of row number 0. */
const T0 = 1_700_000_000_000_000_000n

export type Writer = Child & { readonly url: string }

export type WriterUnderTest = AsyncDisposable & {
  readonly nats: NatsServer
  readonly questdb: QuestdbServer
  readonly client: Nats
  /** Starts a replica; stopped with the rest. */
  startWriter(env?: Readonly<Record<string, string>>): Promise<Writer>
  /** Makes what the operator makes for a fleet, its document last. */
  makeFleet(fleet: Ref, change?: FleetChange): Promise<FleetDocument>
  makeTable(document: FleetDocument): Promise<void>
  putDocument(document: FleetDocument): Promise<void>
}

export type FleetChange = {
  readonly maxBytes?: number
  readonly keepMs?: number
  readonly writer?: FleetDocument['writer']
  /** Leave the table for later. */
  readonly noTable?: boolean
  /** Do not tell the writer of it yet. */
  readonly noDocument?: boolean
}

const documentOf = (fleet: Ref, { maxBytes, keepMs, writer }: FleetChange): FleetDocument =>
  fleetDocumentOf(fleet, {
    measurements: [
      { name: 'temperature', type: 'Double' },
      { name: 'door', type: 'Symbol' },
    ],
    shards: 1,
    stream: { ...(maxBytes !== undefined && { maxBytes }), ...(keepMs !== undefined && { keepMs }) },
    ...(writer && { writer }),
  })

export const startWriterUnderTest = async (): Promise<WriterUnderTest> => {
  await using started = new AsyncDisposableStack()
  const [nats, questdb] = await Promise.all([startNats(), startQuestdb()])
  started.use(nats)
  started.use(questdb)
  const client = started.use(await connectNats('test', nats.settings()))
  await client.jsm.streams.add({ name: names.deadLetters, subjects: [names.deadSubjects], allow_direct: true })
  const pipeline = await client.bucket(names.buckets.pipeline)
  const stack = started.move()

  const putDocument = async (document: FleetDocument) => {
    await pipeline.put(fleetKey(document), JSON.stringify(document))
  }
  const makeTable = async ({ table }: FleetDocument) => {
    await questdb.sql(
      `CREATE TABLE "${table}" (ts TIMESTAMP, device SYMBOL, digest LONG, temperature DOUBLE, door SYMBOL) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, device, digest)`,
    )
  }
  return {
    nats,
    questdb,
    client,
    putDocument,
    makeTable,
    startWriter: async (env = {}) => {
      const port = await freePort()
      const { natsUrl, natsUser, natsPasswordFile } = nats.settings('writer')
      const url = `http://127.0.0.1:${port}`
      const child = await startChild({
        name: 'writer',
        command: process.execPath,
        // WRITER_ARGS: flags for node, to profile it
        args: [...(process.env.WRITER_ARGS ?? '').split(' ').filter(Boolean), MAIN],
        env: {
          NATS_URL: natsUrl,
          NATS_USER: natsUser,
          NATS_PASSWORD_FILE: natsPasswordFile,
          QUESTDB_URL: questdb.url,
          QUESTDB_USER: questdb.user,
          QUESTDB_PASSWORD_FILE: questdb.password.file,
          HTTP_PORT: String(port),
          LOG_LEVEL: 'debug',
          ...env,
        },
        logFile: tempLog('writer'),
        ready: async () => (await fetch(`${url}/healthz`)).ok,
      })
      return stack.use(Object.assign(child, { url }))
    },
    makeFleet: async (fleet, change = {}) => {
      const document = documentOf(fleet, change)
      await makeFleetStream(client, document)
      if (!change.noTable) await makeTable(document)
      if (!change.noDocument) await putDocument(document)
      return document
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  }
}

/** The line of row number `n`: its own millisecond, one of 50 devices, the number as digest. */
export const line = (table: string, n: number, fields = `temperature=${(n % 400) / 10}`): string =>
  `${table},device=d${n % 50},door=open ${fields},digest=${n}i ${T0 + BigInt(n) * 1_000_000n}\n`

export const lines = (table: string, from: number, count: number): string =>
  Array.from({ length: count }, (_, i) => line(table, from + i)).join('')

/** What ingest would say of a batch of this fleet. */
export const infoOf = ({ uid, generation }: FleetDocument, rows: number): BatchInfo => ({
  rows,
  firstMicros: 0,
  lastMicros: 0,
  uid,
  generation,
  traceLinks: [],
})

/** Publishes one batch and waits for the stream to have it. */
export const publish = async (
  { js }: Nats,
  document: FleetDocument,
  body: string,
  info: Partial<BatchInfo> = {},
): Promise<void> => {
  const headers = batchHeaders({ ...infoOf(document, body.split('\n').length - 1), ...info })
  await js.publish(document.stream.telemetrySubjects[0] as string, body, { headers })
}

/** Rows of a fleet's table, and how many different ones. */
export const counts = async (
  { sql }: QuestdbServer,
  { table }: FleetDocument,
): Promise<{ readonly rows: number; readonly distinct: number }> => {
  const [row] = await sql<{ rows: number; distinct: number }>(
    `SELECT count() "rows", count_distinct(digest) "distinct" FROM "${table}"`,
  )
  return row ?? { rows: 0, distinct: 0 }
}

/** Waits until the table holds exactly rows 0 to `n` − 1, each once. */
export const untilRows = (server: WriterUnderTest, document: FleetDocument, n: number, deadlineMs = 30_000) =>
  until(
    async () => {
      const { rows, distinct } = await counts(server.questdb, document)
      if (rows > n) throw new Error(`${rows} rows, more than ${n}`)
      if (rows !== n || distinct !== n) throw new Error(`${rows} rows, ${distinct} different, of ${n}`)
      return true
    },
    { what: `${n} rows in ${document.table}`, deadlineMs, everyMs: 200 },
  )

export const deadLetters = async ({ jsm }: Nats): Promise<{ head: DeadLetter; body: string }[]> => {
  const { state } = await jsm.streams.info(names.deadLetters)
  const letters = []
  for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
    const message = await jsm.streams.getMessage(names.deadLetters, { seq })
    const head = deadLetterOf(message?.header)
    if (message && head) letters.push({ head, body: Buffer.from(message.data).toString() })
  }
  return letters
}

/** What the writer reports of a fleet. */
export const applied = async ({ client }: WriterUnderTest, fleet: Ref): Promise<AppliedDocument | undefined> => {
  const bucket = await client.bucket(names.buckets.applied)
  const entry = await bucket.get(`writer.${fleet.namespace}.${fleet.name}.0`)
  return entry?.operation === 'PUT' ? appliedDocument.parse(entry.json()) : undefined
}

/** Publishes `batch` again until the stream has it: rows are idempotent, so a lost answer does no harm. */
const publishUntilTaken = async (client: Nats, document: FleetDocument, body: string): Promise<void> => {
  for (;;) {
    try {
      return await publish(client, document, body)
    } catch {
      await sleep(100)
    }
  }
}

export type Load = {
  readonly rows: number
  readonly perBatch: number
  readonly perSecond: number
}

/** Publishes rows 0 to `rows` − 1 in batches, `perSecond` at most; goes on when the stream refuses or the server is away. */
export const publishRows = async (
  client: Nats,
  document: FleetDocument,
  { rows, perBatch, perSecond }: Load,
): Promise<void> => {
  const start = performance.now()
  for (let from = 0; from < rows; from += perBatch) {
    await publishUntilTaken(client, document, lines(document.table, from, Math.min(perBatch, rows - from)))
    const aheadMs = ((from + perBatch) / perSecond) * 1000 - (performance.now() - start)
    if (aheadMs > 0) await sleep(aheadMs)
  }
}

/** A value of a process's metrics, summed over its labels. */
export const metric = async ({ url }: { readonly url: string }, name: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  const values = text.split('\n').filter((row) => row.startsWith(`${name}{`) || row.startsWith(`${name} `))
  return values.reduce((sum, row) => sum + Number(row.slice(row.lastIndexOf(' ') + 1)), 0)
}
