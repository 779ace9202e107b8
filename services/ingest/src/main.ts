/** Takes devices' messages from the MQTT broker, checks them and puts them on their fleet's stream. */
import { connectNats } from '@fleetloom/shared/nats'
import { processRoutes, serveHttp } from '@fleetloom/shared/process/http'
import { runProcess } from '@fleetloom/shared/process/run'
import { config } from './config.ts'
import { reachBroker } from './mqtt/socket.ts'
import { startIngest } from './service.ts'

await runProcess({
  name: 'ingest',
  about: "Takes devices' messages from the MQTT broker, checks them and puts them on their fleet's stream.",
  config,
  start: async (context) => {
    const { config, log, registry, stack } = context
    const nats = stack.use(await connectNats('ingest', config))
    await startIngest(context, nats)
    const checks = { nats: nats.ping, broker: () => reachBroker(new URL(config.mqttUrl)) }
    const http = stack.use(
      await serveHttp({ host: config.httpHost, port: config.httpPort }, processRoutes(registry, checks)),
    )
    log.info({ port: http.port }, 'serving health and metrics')
  },
})
