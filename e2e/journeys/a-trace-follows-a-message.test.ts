import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startOtlpReceiver } from '../kit/otlp.ts'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

const fleet = { namespace: 'traced', name: 'probes' }

const MANIFEST = `apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: { name: probes, namespace: traced }
spec:
  measurements: [{ name: v, type: Double }]
  storage: { rollups: [] }
`

test('the flush that stored a message links to the span of the message', async () => {
  await using receiver = await startOtlpReceiver()
  const env = { OTLP_ENDPOINT: receiver.endpoint, TRACE_SAMPLE_RATIO: '1' }
  await using platform = await startPlatform({
    manifests: { 'probes.yaml': MANIFEST },
    env: { ingest: env, writer: env },
  })
  await platform.untilReady(fleet)
  const device = await platform.register(fleet, 'p-1')
  await using session = await platform.connect(device)
  await session.client.publishAsync('fleets/traced/probes/p-1/telemetry', '{"v":1}', { qos: 1 })
  const [message, flush] = await until(
    () => {
      const received = receiver.spans.find(({ service }) => service === 'fleetloom-ingest')
      const stored = receiver.spans.find(
        ({ service, links = [] }) =>
          service === 'fleetloom-writer' && links.some(({ spanId }) => spanId === received?.spanId),
      )
      return received && stored ? [received, stored] : undefined
    },
    { what: 'a writer span that links to an ingest span', deadlineMs: 15_000 },
  )
  assert.equal(flush?.links?.find(({ spanId }) => spanId === message?.spanId)?.traceId, message?.traceId)
})
