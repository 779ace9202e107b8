import { namesOf, type Ref } from '@fleetloom/crds/names'
import type { Broker } from '@fleetloom/shared/broker/broker'
import { connectBroker, limitsOf } from '@fleetloom/shared/broker/connect'
import { connectNats } from '@fleetloom/shared/nats'
import { processRoutes, serveHttp } from '@fleetloom/shared/process/http'
import { messageOf } from '@fleetloom/shared/process/logger'
import { runProcess } from '@fleetloom/shared/process/run'
import { alertRule } from './alert-rule/kind.ts'
import { config } from './config.ts'
import { deviceFleet } from './device-fleet/kind.ts'
import { ensureSurroundings, fleetDeps, readSecret } from './fleets.ts'
import { createController, kindOf } from './loop/controller.ts'
import { gatedBroker, gatedDatabase, gatedNats } from './loop/write-gate.ts'
import { openSource } from './open-source.ts'
import { connectQuestdb } from './targets/database/questdb-http.ts'

/** Several reports of one fleet in this time cause one look. */
const SETTLE_MS = 100

await runProcess({
  name: 'operator',
  about:
    'Converges broker, stream, database and pipeline to the DeviceFleets of a Kubernetes cluster, or of a folder of manifests.',
  config,
  start: async (context) => {
    const { config, log, registry, stack, fail } = context
    const names = namesOf(config.installation)
    const { source, leadership, gate, routes } = await openSource(context)
    const nats = gatedNats(stack.use(await connectNats('operator', config)), gate)
    const password = await readSecret(config.questdbPasswordFile)
    const { questdbUrl: url, questdbUser: user } = config
    const database = gatedDatabase(connectQuestdb({ url, user, password }), gate)
    // The replicas share one MQTT user, whose client id is its name: only the leader may hold the connection.
    let broker: Broker | undefined
    const checks = { nats: nats.ping, broker: async () => broker?.ping(), database: () => database.sql('select 1') }
    const address = { host: config.httpHost, port: config.httpPort }
    stack.use(await serveHttp(address, { ...processRoutes(registry, checks), ...routes }))

    const lead = async (): Promise<void> => {
      await leadership.won
      const ours = gatedBroker(stack.use(await connectBroker(config, { log, limits: limitsOf(config) })), gate)
      broker = ours
      const onResync = async () => {
        leadership.mayWrite()
        await ensureSurroundings({ nats, broker: ours, names, log })
      }
      await onResync()
      // Reports of the data plane may come before the controller stands; it looks at everything when it starts.
      let look = (_: Ref): void => undefined
      const deps = await fleetDeps(context, { source, nats, broker: ours, database }, (fleet) => look(fleet))
      const { workers, resyncMs } = config
      const controller = stack.use(
        createController(
          { source, log, registry, workers, resyncMs, onResync },
          kindOf(deviceFleet(deps)),
          kindOf(alertRule(source)),
        ),
      )
      look = (fleet) => controller.enqueue('DeviceFleet', fleet, SETTLE_MS)
      await controller.start()
    }
    leadership.lost.then(fail, fail)
    const leading = lead()
    if (config.manifests !== undefined) await leading
    else leading.catch((error) => fail(messageOf(error)))
  },
})
