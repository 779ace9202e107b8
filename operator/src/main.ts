import { namesOf, type Ref } from '@fleetloom/crds/names'
import { connectBroker, limitsOf } from '@fleetloom/shared/broker/connect'
import { connectNats } from '@fleetloom/shared/nats'
import { processRoutes, serveHttp } from '@fleetloom/shared/process/http'
import { runProcess } from '@fleetloom/shared/process/run'
import { alertRule } from './alert-rule/kind.ts'
import { config } from './config.ts'
import { deviceFleet } from './device-fleet/kind.ts'
import { ensureSurroundings, fleetDeps, readSecret } from './fleets.ts'
import { createController, kindOf } from './loop/controller.ts'
import { createFilesSource } from './source/files.ts'
import { statusRoute } from './status/route.ts'
import { connectQuestdb } from './targets/database/questdb-http.ts'
import { ensurePlatform } from './targets/stream/platform.ts'

/** Several reports of one fleet in this time cause one look. */
const SETTLE_MS = 100

await runProcess({
  name: 'operator',
  about: 'Converges broker, stream, database and pipeline to the DeviceFleets in a folder of manifests.',
  config,
  start: async (context) => {
    const { config, log, registry, stack } = context
    const names = namesOf(config.installation)
    const nats = stack.use(await connectNats('operator', config))
    const broker = stack.use(await connectBroker(config, { log, limits: limitsOf(config) }))
    const password = await readSecret(config.questdbPasswordFile)
    const database = connectQuestdb({ url: config.questdbUrl, user: config.questdbUser, password })
    const source = stack.use(await createFilesSource({ folder: config.manifests, stateFile: config.stateFile, log }))
    const ensure = () => ensureSurroundings({ nats, broker, names, log })
    await ensurePlatform(nats, names)
    // Reports of the data plane may come before the controller stands; it looks at everything when it starts.
    let look = (_: Ref): void => undefined
    const deps = await fleetDeps(context, { source, nats, broker, database }, (fleet) => look(fleet))
    const controller = stack.use(
      createController(
        { source, log, registry, workers: config.workers, resyncMs: config.resyncMs, onResync: ensure },
        kindOf(deviceFleet(deps)),
        kindOf(alertRule(source)),
      ),
    )
    look = (fleet) => controller.enqueue('DeviceFleet', fleet, SETTLE_MS)
    await controller.start()
    const checks = { nats: nats.ping, broker: () => broker.ping(), database: () => database.sql('select 1') }
    const routes = { ...processRoutes(registry, checks), '/status': statusRoute(source) }
    stack.use(await serveHttp({ host: config.httpHost, port: config.httpPort }, routes))
  },
})
