import { readFile } from 'node:fs/promises'
import { namesOf } from '@fleetloom/crds/names'
import { openAlertsBucket } from '@fleetloom/shared/alerts/bucket'
import { open, readSealKeys, ruleContext } from '@fleetloom/shared/alerts/seal'
import { sessionPassword } from '@fleetloom/shared/broker/session-password'
import { connectNats } from '@fleetloom/shared/nats'
import { joinOwnership } from '@fleetloom/shared/ownership'
import { processRoutes, serveHttp } from '@fleetloom/shared/process/http'
import { runProcess } from '@fleetloom/shared/process/run'
import { startAlerting } from './alerting.ts'
import { alerterConfig } from './config.ts'
import { createOutboxMetrics } from './metrics.ts'
import { openOutbox } from './outbox/outbox.ts'

await runProcess({
  name: 'fleetloom-alerter',
  about:
    'Judges the alert rules of each fleet as its readings come in, records what becomes of alerts, and tells Alertmanager, webhooks and MQTT subscribers.',
  config: alerterConfig,
  start: async (context) => {
    const { config, log, registry, stack } = context
    const { replica, httpHost, httpPort } = config
    const names = namesOf(config.installation)
    const nats = stack.use(await connectNats(`fleetloom-alerter ${replica}`, config))
    const alerts = await openAlertsBucket(nats, names)
    const applied = await nats.bucket(names.buckets.applied)
    const sealKeys = await readSealKeys(config.platformKeyFile, config.platformKeyPreviousFile)
    const username = names.alerterUser
    const password = sessionPassword(await readFile(config.platformKeyFile), username)
    const ownership = stack.use(await joinOwnership({ kv: applied, service: 'alerter', replica, log }))
    const outbox = stack.use(
      openOutbox({
        ...{ config, names, nats, kv: alerts, ownership, log },
        openSecret: (sealed, { namespace, ruleUid }) =>
          open(sealKeys, sealed, ruleContext({ namespace, uid: ruleUid })),
        mqtt: { url: config.mqttUrl, username, password },
        metrics: createOutboxMetrics(registry),
      }),
    )
    await startAlerting(context, { nats, names, alerts, applied, ownership })
    const checks = { nats: nats.ping, questdb: outbox.questdb.ping }
    const http = stack.use(await serveHttp({ host: httpHost, port: httpPort }, processRoutes(registry, checks)))
    log.info({ port: http.port }, 'listening')
  },
})
