import { namesOf } from '@fleetloom/crds/names'
import { connectBroker } from '@fleetloom/shared/broker/connect'
import { connectNats } from '@fleetloom/shared/nats'
import { runProcess } from '@fleetloom/shared/process/run'
import { followDevices } from '@fleetloom/shared/registry/follow'
import { type Entry, Registry } from '@fleetloom/shared/registry/registry'
import { openAlerts } from './alerts/open.ts'
import { createApp } from './app.ts'
import { openDeviceCa } from './certificates/open.ts'
import { RefusedCertificates } from './certificates/refused.ts'
import { apiConfig } from './config.ts'
import { openDatabase, openExport } from './database.ts'
import { Letters } from './dead-letters/letters.ts'
import { Replay } from './dead-letters/replay.ts'
import { DeviceAccounts } from './devices/accounts.ts'
import { Certificates } from './devices/certificates.ts'
import { presenceAsker } from './devices/presence.ts'
import { Provisioning } from './devices/provisioning.ts'
import { openEvents } from './events/open.ts'
import { Fleets } from './fleets.ts'
import { makeFirstKey } from './keys/first-key.ts'
import { KeyStore } from './keys/store.ts'
import { serveApp } from './serve.ts'

await runProcess({
  name: 'fleetloom-api',
  about:
    'Registers devices and gives them credentials; takes, counts and shows events; shows alerts and silences them; tries rules on the history; shows and replays dead letters; over HTTP.',
  config: apiConfig,
  start: async ({ config, log, registry: metrics, stack }) => {
    const names = namesOf(config.installation)
    const nats = stack.use(await connectNats('fleetloom-api', config))
    const broker = stack.use(await connectBroker(config, { log }))
    const keys = new KeyStore(await nats.bucket(names.buckets.keys))
    await makeFirstKey(keys, config.adminKeyFile, log)
    const bucket = names.buckets.devices
    const devices = await nats.bucket(bucket)
    const registry = new Registry({ kv: devices, jsm: nats.jsm, bucket })
    const fleets = new Fleets(await nats.bucket(names.buckets.pipeline))
    const letters = new Letters(nats.jsm, names)
    const ca = await openDeviceCa(config)
    const refused = new RefusedCertificates()
    const onDevice = ({ record }: Entry) => refused.put(record)
    const following = stack.use(await followDevices({ kv: devices, log, onDevice }))
    const delay = { listDelayMs: config.deviceCrlDelayMs, now: () => new Date() }
    const accounts = new DeviceAccounts({ registry, fleets, broker })
    const database = openDatabase(config)
    const app = createApp({
      keys,
      registry,
      fleets,
      letters,
      provisioning: new Provisioning({ registry, fleets, accounts, log, ...delay }),
      certificates: new Certificates({ registry, fleets, accounts, ca, ...delay }),
      revocation: { ca, refused, isCurrent: following.isCurrent, now: delay.now },
      replay: new Replay({ connection: nats.connection, js: nats.js, letters, names }),
      events: openEvents({ nats, registry, database }),
      alerts: await openAlerts({ nats, names, database }),
      history: openExport(config),
      presence: presenceAsker({ connection: nats.connection, fleets }),
      checks: { nats: nats.ping, broker: broker.ping },
      metrics,
      log,
    })
    const { port } = stack.use(await serveApp(app, { host: config.httpHost, port: config.httpPort }))
    log.info({ address: `http://${config.httpHost}:${port}` }, 'listening')
  },
})
