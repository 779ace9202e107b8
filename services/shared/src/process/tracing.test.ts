import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTraceparent } from './otlp.ts'
import { createTracing } from './tracing.ts'

test('tracing is off without an endpoint: nothing is sampled and no span is made', async () => {
  await using tracing = await createTracing({ service: 'x', otlpEndpoint: undefined, sampleRatio: 1 })
  assert.equal(tracing.sample(), false)
  assert.equal(tracing.span({ name: 'a', startMs: 0 }), '')
})

test('a traceparent is read, anything else is not one', () => {
  assert.deepEqual(parseTraceparent('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'), {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: 1,
  })
  assert.equal(parseTraceparent('00-xyz'), undefined)
  assert.equal(parseTraceparent(''), undefined)
})
