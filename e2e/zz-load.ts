import { readFileSync } from 'node:fs'
import { startLoad } from '@fleetloom/simulator/load/load'
import { objectPayload, bareScalar } from '@fleetloom/simulator/load/payload'
import { until } from './kit/until.ts'
import { metric, startIngestUnderTest } from './journeys/ingest-under-test.ts'
const cpu = (pid: number) => { const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '); return [Number(f[11]) * 10, Number(f[12]) * 10] as const }
const rss = (pid: number) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
const count = Number(process.env.COUNT ?? 400000), rate = Number(process.env.RATE ?? 0), devices = Number(process.env.DEVICES ?? 1000)
await using under = await startIngestUnderTest()
globalThis.x = 1
const ingest = await under.startIngest('ingest-0', { LOG_LEVEL: 'info', ...JSON.parse(process.env.ENV ?? '{}') })
const d = await under.makeFleet({ namespace: 'load', name: 'f' }, { stream: { name: 'fleet_load_f', telemetrySubjects: [0,1,2,3].map(i => `fleet.load.f.telemetry.${i}`), eventsSubject: 'fleet.load.f.events', maxBytes: 2 ** 31, keepMs: 1e8 } })
await under.untilSubscribed(d)
const logins = []
for (let i = 0; i < 4; i++) { await using s = await under.user(`load.u${i}`, ['fleets/load/f/+/telemetry']); logins.push({ clientId: `load.u${i}`, username: `load.u${i}`, password: 'secret' }) }
const run = async (n: number) => {
  const p = { ingest: ingest.pid!, nats: under.nats.pid!, mosquitto: under.mosquitto.pid! }
  const base = await metric(ingest, 'fleetloom_ingest_rows_total')
  const b0 = await metric(ingest, 'fleetloom_ingest_batches_total')
  const before = Object.entries(p).map(([k, v]) => [k, cpu(v)] as const)
  const t0 = performance.now()
  const load = await startLoad({ host: '127.0.0.1', port: under.mosquitto.port, version: 5, logins, devices: Array.from({ length: devices }, (_, i) => `dev-${i}`), topicOf: (x) => `fleets/load/f/${x}/telemetry`, payload: objectPayload(), window: 500, rate, count: n })
  await load.done
  const t1 = performance.now()
  await until(async () => (await metric(ingest, 'fleetloom_ingest_rows_total')) - base >= n, { what: 'rows', deadlineMs: 60000, everyMs: 20 })
  const t2 = performance.now()
  const batches = (await metric(ingest, 'fleetloom_ingest_batches_total')) - b0
  console.log(`n=${n} sent in ${((t1 - t0) / 1000).toFixed(2)}s, through in ${((t2 - t0) / 1000).toFixed(2)}s = ${(n / (t2 - t0) * 1000).toFixed(0)}/s; rows/batch ${(n / batches).toFixed(0)}; ` + before.map(([k, [u, s]]) => { const [u2, s2] = cpu(p[k as 'ingest']); return `${k} ${(((u2 - u) + (s2 - s)) * 1000 / n).toFixed(2)}µs (u ${((u2 - u) * 1000 / n).toFixed(2)} s ${((s2 - s) * 1000 / n).toFixed(2)})` }).join(', ') + ` rss ${rss(p.ingest).toFixed(0)}MB`)
}
console.log("idle rss", rss(ingest.pid!))
await run(20000)
for (let i = 0; i < Number(process.env.ROUNDS ?? 2); i++) await run(count)
{ const text = await (await fetch(`${ingest.url}/metrics`)).text(); console.log(text.split('\n').filter(l => /^(nodejs_(heap_size_(total|used)|external)|process_resident|nodejs_heap_space_size_total)/.test(l)).map(l=>l.replace(/nodejs_|process_/,'')).join('\n')) }
if (process.env.KEEPLOG) { const { readFileSync: r, writeFileSync: w } = await import('node:fs'); w('/tmp/ing/ingest.log', r(ingest.logFile)) }
