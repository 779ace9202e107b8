/**
 * Our way from broker to table: ingest, a durable stream with its default bounds, writer, a table with dedup keys. The
 * operator's part is done by hand here, with the defaults of a fleet.
 */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { appliedKey, fleetKey, namesOf } from '@fleetloom/crds/names'
import { ingestAcl } from '@fleetloom/shared/broker/acl'
import { sessionPassword } from '@fleetloom/shared/broker/session-password'
import { connectNats, type Nats } from '@fleetloom/shared/nats'
import { appliedDocument } from '@fleetloom/shared/pipeline/applied-document'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { type Child, startChild } from '../kit/child.ts'
import { makeFleetStream } from '../kit/fleet-stream.ts'
import { freePort } from '../kit/ports.ts'
import { nodeEnv } from '../kit/services.ts'
import { tempDir, tempLog } from '../kit/temp.ts'
import { until } from '../kit/until.ts'
import { ROOT } from '../tools/paths.ts'
import { type Bench, type Contender, columnsSql, topicOf } from './contender.ts'
import { benchFleet } from './fleet.ts'

const names = namesOf()

const documentOf = (name: string): FleetDocument =>
  benchFleet(
    { namespace: 'bench', name },
    {
      topics: { telemetry: [topicOf('{device}')], events: [], errors: 'bench/{device}/errors' },
      grants: { publish: [topicOf('{device}')], subscribe: [] },
      stream: { maxBytes: 256 * 1024 ** 2 },
    },
  )

const startService = async (bench: Bench, name: 'ingest' | 'writer', env: Record<string, string>): Promise<Child> => {
  const port = await freePort()
  const { natsUrl, natsUser, natsPasswordFile } = bench.nats.settings(name)
  return startChild({
    name,
    command: process.execPath,
    args: [join(ROOT, 'services', name, 'src', 'main.ts')],
    env: {
      ...nodeEnv,
      NATS_URL: natsUrl,
      NATS_USER: natsUser,
      NATS_PASSWORD_FILE: natsPasswordFile,
      HTTP_PORT: String(port),
      ...env,
    },
    logFile: tempLog(name),
    ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
  })
}

const startIngest = async (bench: Bench, platformKeyFile: string): Promise<Child> =>
  startService(bench, 'ingest', { MQTT_URL: bench.mosquitto.url, PLATFORM_KEY_FILE: platformKeyFile })

const startWriter = async (bench: Bench): Promise<Child> =>
  startService(bench, 'writer', {
    QUESTDB_URL: bench.questdb.url,
    QUESTDB_USER: bench.questdb.user,
    QUESTDB_PASSWORD_FILE: bench.questdb.password.file,
  })

const untilSubscribed = async (client: Nats, document: FleetDocument): Promise<void> => {
  const applied = await client.bucket(names.buckets.applied)
  const isSubscribed = async (): Promise<boolean> => {
    const entry = await applied.get(appliedKey('ingest', document))
    const report = appliedDocument.safeParse(entry?.json())
    return report.data?.uid === document.uid && report.data.state === 'Subscribed'
  }
  await until(isSubscribed, { what: 'ingest to subscribe', deadlineMs: 30_000 })
}

const makeTable = (bench: Bench, { table }: FleetDocument, devices: number): Promise<unknown> =>
  bench.questdb.sql(
    `CREATE TABLE "${table}" (${columnsSql(devices)}, digest LONG) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, device, digest)`,
  )

let serial = 0

export const startOurs = async (bench: Bench, devices: number): Promise<Contender> => {
  await using started = new AsyncDisposableStack()
  const { nats, questdb } = bench
  const folder = started.use(tempDir('ours'))
  const document = documentOf(`fleet${++serial}-${devices}`)
  const client = started.use(await connectNats('bench', nats.settings()))
  const pipeline = await client.bucket(names.buckets.pipeline)

  await makeTable(bench, document, devices)
  started.defer(async () => void (await questdb.sql(`DROP TABLE "${document.table}"`)))
  await makeFleetStream(client, document)
  started.defer(async () => void (await client.jsm.streams.delete(document.stream.name)))

  const keyFile = join(folder.path, 'platform-key')
  const key = randomBytes(32)
  writeFileSync(keyFile, key, { mode: 0o600 })
  const user = names.ingestUser(document)
  await bench.user(user, ingestAcl(document, 0), sessionPassword(key, user))
  started.defer(() => bench.removeUser(user))

  await pipeline.put(fleetKey(document), JSON.stringify(document))
  started.defer(() => pipeline.purge(fleetKey(document)))
  const writer = started.use(await startWriter(bench))
  const ingest = started.use(await startIngest(bench, keyFile))
  await untilSubscribed(client, document)
  const stack = started.move()
  return {
    table: `"${document.table}"`,
    processes: {
      ingest: { child: ingest, memory: true },
      nats: { child: nats, memory: false },
      writer: { child: writer, memory: true },
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
