/** The parts of the service put together. */
import { readFile } from 'node:fs/promises'
import { namesOf } from '@fleetloom/crds/names'
import { sessionPassword } from '@fleetloom/shared/broker/session-password'
import type { Nats } from '@fleetloom/shared/nats'
import { joinOwnership } from '@fleetloom/shared/ownership'
import { createAppliedReporter } from '@fleetloom/shared/pipeline/applied'
import { followFleets } from '@fleetloom/shared/pipeline/follow'
import type { ProcessContext } from '@fleetloom/shared/process/run'
import { createTracing } from '@fleetloom/shared/process/tracing'
import { Budget } from './batch/budget.ts'
import { Buffers } from './batch/buffers.ts'
import { Publisher } from './batch/publisher.ts'
import type { Config } from './config.ts'
import { Fleets } from './fleets.ts'
import { registerMetrics } from './metrics.ts'
import { Pacer } from './mqtt/pacer.ts'
import { serveReplays } from './session/replays.ts'
import { Session, type SessionOptions } from './session/session.ts'

/** What all sessions share. */
const sessionOptions = async (
  { config, log, stack }: ProcessContext<Config>,
  shared: Pick<SessionOptions, 'publisher' | 'reporter' | 'budget' | 'onPublished'>,
): Promise<SessionOptions> => {
  const key = await readFile(config.platformKeyFile)
  return {
    ...config,
    ...shared,
    log,
    url: new URL(config.mqttUrl),
    receiveMaximum: config.mqttReceiveMaximum,
    keepAliveSeconds: config.mqttKeepAliveSeconds,
    sessionExpirySeconds: config.mqttSessionExpirySeconds,
    pacer: new Pacer(config.readPauseMs),
    buffers: new Buffers(),
    tracing: stack.use(
      await createTracing({
        service: 'ingest',
        otlpEndpoint: config.otlpEndpoint,
        sampleRatio: config.traceSampleRatio,
      }),
    ),
    passwordOf: (user) => sessionPassword(key, user),
  }
}

/** Takes up the fleets of the pipeline bucket that fall to this replica; everything is closed with the context's stack. */
export const startIngest = async (context: ProcessContext<Config>, nats: Nats): Promise<Fleets> => {
  const { config, log, registry, stack } = context
  const { buckets } = namesOf(config.installation)
  const applied = await nats.bucket(buckets.applied)
  const budget = new Budget(config.maxUnackedBytes)
  const onPublished = registerMetrics(registry, { sessions: () => fleets.held(), budget })
  const publisher = stack.use(new Publisher(nats.connection))
  const reporter = stack.use(createAppliedReporter({ kv: applied, replica: config.replica, log }))
  const options = await sessionOptions(context, { publisher, reporter, budget, onPublished })
  const ownership = stack.use(await joinOwnership({ kv: applied, service: 'ingest', replica: config.replica, log }))
  const fleets: Fleets = new Fleets({
    ownership,
    log,
    open: (document, index) => {
      const session = new Session(document, index, options)
      const { connection } = nats
      const replay = { connection, installation: config.installation, fleet: document, session, log }
      return { session, companions: index === 0 ? serveReplays(replay) : { [Symbol.dispose]: () => undefined } }
    },
  })
  stack.defer(() => fleets.close())
  ownership.onChange(() => fleets.reconcile())
  stack.use(
    await followFleets({
      kv: await nats.bucket(buckets.pipeline),
      log,
      onFleet: (document) => fleets.put(document),
      onGone: (fleet) => fleets.gone(fleet),
    }),
  )
  return fleets
}
