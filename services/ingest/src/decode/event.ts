import { eventOf, eventTimeField } from '@fleetloom/shared/events/event'
import { eventLine } from '@fleetloom/shared/events/row'
import { parseJson, utf8Text } from '@fleetloom/shared/rows/json'
import { isRejection, type Rejection, reject } from '@fleetloom/shared/rows/rejection'
import { type Message, payloadBytes } from './message.ts'
import type { Plan } from './plan.ts'
import { digestOf, type Row } from './reference.ts'

/** Row of a message on an events topic of `device`. */
export const decodeEvent = (plan: Plan, message: Message, device: string): Row | Rejection => {
  const { payload } = plan.document
  const text = utf8Text(payloadBytes(message))
  if (text === undefined) return reject('malformed_json', '', 'the payload is not UTF-8')
  const json = parseJson(text, eventTimeField(payload))
  if (isRejection(json)) return json
  const event = eventOf(json.value, json, { payload, arrivalMicros: message.arrivalMicros })
  if (isRejection(event)) return event
  const line = eventLine(plan.eventHead, event, { device, digest: digestOf(message) })
  return { line, micros: event.micros, timed: event.timed, unknown: event.unknown }
}
