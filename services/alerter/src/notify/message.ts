/** What webhooks and MQTT subscribers get. */
import { createHmac } from 'node:crypto'
import { instant } from '@fleetloom/shared/alerts/instant'
import { firingSince } from '@fleetloom/shared/alerts/records'
import type { Transition } from '@fleetloom/shared/alerts/transition'

/** The notification as JSON; the same transition gives the same bytes. */
export const messageOfTransition = (one: Transition): string =>
  JSON.stringify({
    version: '1.0',
    id: one.id,
    status: one.to,
    installation: one.installation,
    namespace: one.namespace,
    fleet: one.fleet,
    rule: one.rule,
    device: one.device,
    severity: one.severity,
    at: instant(one.atMicros),
    firingSince: instant(firingSince(one)),
    cause: one.cause,
    ...(one.value === undefined ? {} : { value: one.value }),
    labels: one.labels,
    annotations: one.annotations,
  })

/** Value of `Fleetloom-Signature`: the HMAC-SHA256 over `<seconds>.<body>`, so that an old request can be told from a new one. */
export const signatureOf = (key: Uint8Array, seconds: number, body: string): string =>
  `t=${seconds},v1=${createHmac('sha256', key).update(`${seconds}.${body}`).digest('hex')}`
