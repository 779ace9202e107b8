import { fleetKey, namesOf } from '@fleetloom/crds/names'
import { Bounded } from '@fleetloom/shared/bounded'
import { connectNats } from '@fleetloom/shared/nats'
import { joinOwnership } from '@fleetloom/shared/ownership'
import { createAppliedReporter } from '@fleetloom/shared/pipeline/applied'
import { parseFleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { followFleets } from '@fleetloom/shared/pipeline/follow'
import { processRoutes, serveHttp } from '@fleetloom/shared/process/http'
import { runProcess } from '@fleetloom/shared/process/run'
import { createTracing } from '@fleetloom/shared/process/tracing'
import { createQuestdb } from '@fleetloom/shared/questdb/client'
import { writerConfig } from './config.ts'
import { Fleets } from './fleet/fleets.ts'
import { createMetrics } from './metrics.ts'
import { limited } from './questdb/limited.ts'

await runProcess({
  name: 'fleetloom-writer',
  about: 'Writes the readings of each fleet from its stream into QuestDB, and keeps room in the stream behind itself.',
  config: writerConfig,
  start: async ({ config, log, registry, stack }) => {
    const { replica, httpHost, httpPort } = config
    const { buckets } = namesOf(config.installation)

    const nats = stack.use(await connectNats(`fleetloom-writer ${replica}`, config))
    const pipeline = await nats.bucket(buckets.pipeline)
    const applied = await nats.bucket(buckets.applied)
    const questdb = stack.use(createQuestdb(config))
    const tracing = stack.use(
      await createTracing({
        service: 'writer',
        otlpEndpoint: config.otlpEndpoint,
        sampleRatio: config.traceSampleRatio,
      }),
    )

    const memory = new Bounded(config.bufferBytes)
    const metrics = createMetrics(registry, memory)
    const write = limited(questdb, { requests: new Bounded(config.maxRequests), metrics })
    const reporter = stack.use(createAppliedReporter({ kv: applied, replica, log }))
    const currentUid = async (fleet: Parameters<typeof fleetKey>[0]) => {
      const entry = await pipeline.get(fleetKey(fleet))
      const parsed = entry?.operation === 'PUT' ? parseFleetDocument(entry.value) : undefined
      return parsed && 'ok' in parsed ? parsed.ok.uid : undefined
    }

    const ownership = stack.use(await joinOwnership({ kv: applied, service: 'writer', replica, log }))
    const parts = { nats, write, renew: questdb.renew, currentUid, memory, reporter, metrics, tracing, log }
    const fleets = stack.use(new Fleets(parts, ownership))
    stack.use(
      await followFleets({
        kv: pipeline,
        log,
        onFleet: (document) => fleets.onFleet(document),
        onGone: (fleet) => fleets.onGone(fleet),
      }),
    )

    const checks = { nats: nats.ping, questdb: questdb.ping }
    const http = stack.use(await serveHttp({ host: httpHost, port: httpPort }, processRoutes(registry, checks)))
    log.info({ port: http.port }, 'listening')
  },
})
