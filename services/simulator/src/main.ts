import { processRoutes, serveHttp } from '@fleetloom/shared/process/http'
import { readSecret } from '@fleetloom/shared/process/read-secret'
import { runProcess } from '@fleetloom/shared/process/run'
import { simulatorConfig } from './config.ts'
import type { Outbox } from './device/outbox.ts'
import { createMetrics } from './metrics.ts'
import { Provisioner } from './provisioning/provision.ts'
import { Secrets } from './provisioning/secrets.ts'
import { type Message, SHOWS } from './shows.ts'
import { startShow } from './start.ts'

await runProcess({
  name: 'fleetloom-simulator',
  about:
    'Plays devices: weather stations and cities from real recordings, and this very machine. Registers them over the api.',
  config: simulatorConfig,
  start: async ({ config, log, registry, stack, fail }) => {
    const apiKey = await readSecret(config.apiKeyFile)
    const secrets = await Secrets.open(config.stateFile)
    const shows = await Promise.all([...new Set(config.shows)].map((name) => SHOWS[name](config)))
    const stopping = new AbortController()
    const provisioner = new Provisioner({ apiUrl: config.apiUrl, apiKey }, { secrets, log, stopped: stopping.signal })
    const outboxes = new Map<string, Outbox<Message>[]>()
    const metrics = createMetrics(registry, outboxes)
    for (const show of shows) startShow(show, { config, log, stack, fail, provisioner, metrics, outboxes })
    stack.defer(() => stopping.abort())
    const address = { host: config.httpHost, port: config.httpPort }
    const { port } = stack.use(await serveHttp(address, processRoutes(registry, { api: () => provisioner.ping() })))
    log.info({ port, devices: shows.flatMap(({ devices }) => devices).length }, 'playing')
  },
})
