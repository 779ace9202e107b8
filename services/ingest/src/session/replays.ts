/** Answers requests to replay dead letters of the fleets that this replica owns. */
import { label, namesOf, type Ref } from '@fleetloom/crds/names'
import { deadLetterOf, KEPT_BYTES } from '@fleetloom/shared/dead-letters/dead-letter'
import { DRY_RUN_HEADER, type ReplayOutcome } from '@fleetloom/shared/dead-letters/replay'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { Msg, NatsConnection } from '@nats-io/nats-core'
import type { Session } from './session.ts'

const refused = (detail: string): ReplayOutcome => ({ outcome: 'rejected', detail })

const answer = async (session: Session, message: Msg): Promise<ReplayOutcome> => {
  const letter = deadLetterOf(message.headers)
  if (session.isRetired) return refused('the fleet is being removed and takes no more readings')
  if (letter?.stage !== 'mqtt') return refused('the request is not an MQTT dead letter')
  if (message.data.length < letter.payloadBytes)
    return refused(`only the first ${KEPT_BYTES} bytes of the payload were kept`)
  return session.replay(letter, message.data, message.headers?.get(DRY_RUN_HEADER) === 'true')
}

/** Serves `session` until disposed. */
export const serveReplays = (options: {
  readonly connection: NatsConnection
  readonly installation: string
  readonly fleet: Ref
  readonly session: Session
  readonly log: Logger
}): Disposable => {
  const { connection, installation, fleet, session, log } = options
  const subscription = connection.subscribe(namesOf(installation).replaySubject(fleet), {
    callback: (error, message) => {
      if (error) return log.warn({ fleet: label(fleet) }, `replays are not served: ${error.message}`)
      answer(session, message)
        .catch((fault) => refused(messageOf(fault)))
        .then((outcome) => message.respond(JSON.stringify(outcome)))
        .catch((fault) => log.warn(`replay not answered: ${messageOf(fault)}`))
    },
  })
  return { [Symbol.dispose]: () => subscription.unsubscribe() }
}
