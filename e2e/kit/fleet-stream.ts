/** A fleet's stream and the writer's consumer as the operator makes them, where no operator runs. */
import { namesOf, WRITER_CONSUMER } from '@fleetloom/crds/names'
import { CONSUMER_SETTINGS, STREAM_SETTINGS } from '@fleetloom/operator/targets/stream/shape'
import type { Nats } from '@fleetloom/shared/nats'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'

const subjectsOf = (fleet: FleetDocument): string => namesOf(fleet.installation).streamSubjects(fleet)

export const makeWriterConsumer = async ({ jsm }: Pick<Nats, 'jsm'>, fleet: FleetDocument): Promise<void> => {
  const consumer = { ...CONSUMER_SETTINGS, durable_name: WRITER_CONSUMER, filter_subject: subjectsOf(fleet) }
  await jsm.consumers.add(fleet.stream.name, consumer)
}

export const makeFleetStream = async (nats: Pick<Nats, 'jsm'>, fleet: FleetDocument): Promise<void> => {
  const { name, maxBytes } = fleet.stream
  await nats.jsm.streams.add({ ...STREAM_SETTINGS, name, subjects: [subjectsOf(fleet)], max_bytes: maxBytes })
  await makeWriterConsumer(nats, fleet)
}
