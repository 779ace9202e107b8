import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toolPath } from '../tools/paths.ts'
import { type Child, startChild } from './child.ts'
import { type Place, placeOf } from './place.ts'
import { freePort } from './ports.ts'
import { type Secret, secretFile } from './secret-file.ts'
import { type Sql, sqlOver } from './sql.ts'

export type QuestdbServer = Child & {
  /** Where its data lies. */
  readonly directory: string
  /** HTTP: /exec, /write, the web console. */
  readonly url: string
  readonly port: number
  readonly pgPort: number
  readonly user: string
  readonly password: Secret
  /** Value of the HTTP header of that name. */
  readonly authorization: string
  /** PostgreSQL wire protocol, read only. */
  readonly reader: { readonly user: string; readonly password: Secret }
  /** Rows of a query, as objects. */
  readonly sql: Sql
}

export type QuestdbOptions = Place & {
  readonly port?: number | undefined
  readonly pgPort?: number | undefined
  /** Bound of the Java heap; default 256 MB. Tables are memory mapped beside it. */
  readonly heapMb?: number
  /** Further settings, as QuestDB's environment variables. */
  readonly env?: Readonly<Record<string, string>>
}

const HOST = '127.0.0.1'
/** Who may do everything. */
export const QUESTDB_USER = 'fleetloom'
export const HEAP_MB = 256
const READER = 'reader'

/**
 * Small pages and few threads: tables are many and small here, and the machine is shared. Measured with ten fleets of a
 * table and two rollups each, a few rows in each: 7 MB of disk a fleet, against 430 MB with the defaults; file
 * descriptors are 120 a fleet either way. Resident memory is 250 MB.
 */
const SMALL = {
  QDB_SHARED_WORKER_COUNT: '1',
  QDB_CAIRO_WRITER_DATA_APPEND_PAGE_SIZE: '256k',
  QDB_CAIRO_WRITER_DATA_INDEX_KEY_APPEND_PAGE_SIZE: '16k',
  QDB_CAIRO_WRITER_DATA_INDEX_VALUE_APPEND_PAGE_SIZE: '64k',
  QDB_CAIRO_SYSTEM_WRITER_DATA_APPEND_PAGE_SIZE: '64k',
  QDB_CAIRO_WAL_WRITER_DATA_APPEND_PAGE_SIZE: '64k',
  QDB_CAIRO_WAL_WRITER_EVENT_APPEND_PAGE_SIZE: '64k',
  QDB_CAIRO_SYSTEM_WAL_WRITER_DATA_APPEND_PAGE_SIZE: '64k',
  QDB_CAIRO_SYSTEM_WAL_WRITER_EVENT_APPEND_PAGE_SIZE: '16k',
  QDB_CAIRO_SYMBOL_TABLE_APPEND_PAGE_SIZE: '64k',
  QDB_CAIRO_O3_COLUMN_MEMORY_SIZE: '256k',
} as const

/** Closed, and making nothing by itself. */
const STRICT = {
  QDB_LINE_AUTO_CREATE_NEW_TABLES: 'false',
  QDB_LINE_AUTO_CREATE_NEW_COLUMNS: 'false',
  QDB_LINE_TCP_ENABLED: 'false',
  QDB_LINE_UDP_ENABLED: 'false',
  QDB_HTTP_MIN_ENABLED: 'false',
  QDB_TELEMETRY_ENABLED: 'false',
  QDB_TELEMETRY_DISABLE_COMPLETELY: 'true',
  QDB_METRICS_ENABLED: 'false',
} as const

const access = (password: string, reader: string): Record<string, string> => ({
  QDB_HTTP_USER: QUESTDB_USER,
  QDB_HTTP_PASSWORD: password,
  QDB_PG_USER: QUESTDB_USER,
  QDB_PG_PASSWORD: password,
  QDB_PG_READONLY_USER_ENABLED: 'true',
  QDB_PG_READONLY_USER: READER,
  QDB_PG_READONLY_PASSWORD: reader,
})

export type QuestdbConf = {
  readonly host: string
  readonly port: number
  readonly pgPort: number
  readonly password: string
  readonly readerPassword: string
}

/** The server's configuration, as environment. */
export const questdbEnv = (conf: QuestdbConf): Record<string, string> => ({
  ...STRICT,
  ...SMALL,
  ...access(conf.password, conf.readerPassword),
  QDB_HTTP_BIND_TO: `${conf.host}:${conf.port}`,
  QDB_PG_NET_BIND_TO: `${conf.host}:${conf.pgPort}`,
})

/** Arguments of java, for a heap of this many megabytes. */
export const questdbArgs = (jar: string, directory: string, heapMb: number): string[] => [
  ...['-XX:+UseSerialGC', `-Xms${Math.min(heapMb, 64)}m`, `-Xmx${heapMb}m`],
  ...['-p', jar, '-m', 'io.questdb/io.questdb.ServerMain', '-d', directory],
]

/** Its own log goes to stdout, warnings and worse only. */
const quietLog = (directory: string): void => {
  mkdirSync(join(directory, 'conf'), { recursive: true })
  const lines = [
    'writers=stdout',
    'w.stdout.class=io.questdb.log.LogConsoleWriter',
    'w.stdout.level=ERROR,CRITICAL,ADVISORY',
  ]
  writeFileSync(join(directory, 'conf', 'log.conf'), `${lines.join('\n')}\n`)
}

/** QuestDB with basic auth, a read-only PostgreSQL user, small pages and no tables made by rows. */
export const startQuestdb = async (options: QuestdbOptions = {}): Promise<QuestdbServer> => {
  const { directory, child: placed } = placeOf('questdb', options)
  const [port, pgPort] = [options.port ?? (await freePort()), options.pgPort ?? (await freePort())]
  const password = secretFile(join(directory, 'secrets', 'password'))
  const reader = secretFile(join(directory, 'secrets', 'reader-password'))
  quietLog(directory)
  const url = `http://${HOST}:${port}`
  const authorization = `Basic ${btoa(`${QUESTDB_USER}:${password.value}`)}`
  const sql = sqlOver({ url, authorization })
  const child = await startChild({
    name: 'questdb',
    command: toolPath('java'),
    args: questdbArgs(toolPath('QuestDB jar'), directory, options.heapMb ?? HEAP_MB),
    env: {
      ...questdbEnv({ host: HOST, port, pgPort, password: password.value, readerPassword: reader.value }),
      ...options.env,
    },
    ready: () => sql('select 1'),
    readyMs: 60_000,
    ...placed,
  })
  const users = { user: QUESTDB_USER, password, authorization, reader: { user: READER, password: reader } }
  return Object.assign(child, {
    directory,
    url,
    port,
    pgPort,
    ...users,
    sql,
  })
}
