/** Alerts as Alertmanager's API v2 takes them. */
import { instant } from '@fleetloom/shared/alerts/instant'
import { firingSince } from '@fleetloom/shared/alerts/records'
import { alertLabels } from '@fleetloom/shared/alerts/silence'
import type { Transition } from '@fleetloom/shared/alerts/transition'

export type PostableAlert = {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** RFC 3339, as is the other. */
  readonly startsAt: string
  readonly endsAt: string
  readonly generatorURL?: string
}

export type AlertSettings = {
  /** How long Alertmanager believes a firing alert without hearing of it again. */
  readonly expiresMs: number
  /** Address of the alert for people; `{namespace}`, `{fleet}`, `{rule}`, `{device}` are filled in. */
  readonly generatorUrl: string | undefined
}

/** A URL template with what the alert is about, percent-encoded. */
export const generatorUrlOf = (template: string, one: Transition): string =>
  template.replace(/\{(namespace|fleet|rule|device)\}/g, (_, name: 'namespace' | 'fleet' | 'rule' | 'device') =>
    encodeURIComponent(one[name]),
  )

/**
 * A firing alert ends when it was not sent again for `expiresMs`; a resolved one has ended. Clocks of devices may run ahead: an alert
 * does not end before it began, and one that has ended has ended by now. The value is an annotation, unless the rule has one of that name.
 */
export const postable = (one: Transition, { expiresMs, generatorUrl }: AlertSettings, nowMs: number): PostableAlert => {
  const nowMicros = nowMs * 1000
  const since = firingSince(one)
  const isFiring = one.to === 'firing'
  const ends = isFiring ? Math.max(nowMicros, since) + expiresMs * 1000 : Math.min(one.atMicros, nowMicros)
  const labels = Object.entries(alertLabels(one)).filter(([, value]) => value !== '')
  return {
    labels: Object.fromEntries(labels),
    annotations: { ...(one.value === undefined ? {} : { value: String(one.value) }), ...one.annotations },
    startsAt: instant(Math.min(since, ends)),
    endsAt: instant(ends),
    ...(generatorUrl === undefined ? {} : { generatorURL: generatorUrlOf(generatorUrl, one) }),
  }
}
