import type { Broker } from '@fleetloom/shared/broker/broker'
import { connectBroker, limitsOf } from '@fleetloom/shared/broker/connect'
import { connectNats } from '@fleetloom/shared/nats'
import { processRoutes, serveHttp } from '@fleetloom/shared/process/http'
import { messageOf } from '@fleetloom/shared/process/logger'
import { readSecret } from '@fleetloom/shared/process/read-secret'
import { runProcess } from '@fleetloom/shared/process/run'
import { checkRule } from '@fleetloom/shared/rules/language/check-rule'
import { config } from './config.ts'
import { leads } from './loop/leadership.ts'
import { gatedBroker, gatedDatabase, gatedNats } from './loop/write-gate.ts'
import { openSource } from './open-source.ts'
import { operate } from './operate.ts'
import { connectQuestdb } from './targets/database/questdb-http.ts'

await runProcess({
  name: 'operator',
  about:
    'Converges broker, stream, database and pipeline to the DeviceFleets of a Kubernetes cluster, or of a folder of manifests.',
  config,
  start: async (context) => {
    const { config, log, registry, stack, fail } = context
    // First, so that a replica that can't reach NATS does not come to lead.
    const connected = stack.use(await connectNats('operator', config))
    const { source, secrets, leadership, gate, routes, api } = await openSource(context)
    const nats = gatedNats(connected, gate)
    const password = await readSecret(config.questdbPasswordFile)
    const { questdbUrl: url, questdbUser: user } = config
    const database = gatedDatabase(connectQuestdb({ url, user, password }), gate)
    // Before it is ready, so that the API server asks nobody who can't answer. Code for certificates is large, and needed on a cluster only.
    const judging = { source, nats, check: checkRule, gate, leads: () => leads(leadership) }
    const webhook = api && (await (await import('./admission/open.ts')).openAdmission(context, { api, ...judging }))
    // The replicas share one MQTT user, whose client id is its name: only the leader may hold the connection.
    let broker: Broker | undefined
    const checks = {
      ...(webhook && { webhook: webhook.ping }),
      nats: nats.ping,
      broker: async () => broker?.ping(),
      database: () => database.sql('select 1'),
    }
    const address = { host: config.httpHost, port: config.httpPort }
    stack.use(await serveHttp(address, { ...processRoutes(registry, checks), ...routes }))

    const mayWrite = () => leadership.mayWrite()
    const lead = async (): Promise<void> => {
      await leadership.won
      broker = gatedBroker(stack.use(await connectBroker(config, { log, limits: limitsOf(config) })), gate)
      await operate(context, { source, secrets, nats, broker, database, check: checkRule, mayWrite })
    }
    leadership.lost.then(fail, fail)
    const leading = lead()
    if (config.manifests !== undefined) await leading
    else leading.catch((error) => fail(messageOf(error)))
  },
})
