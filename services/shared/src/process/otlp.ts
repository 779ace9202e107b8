/** Spans over OTLP/HTTP. */
import { context, type Link, type SpanContext, TraceFlags, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

import type { Tracing, TracingOptions } from './tracing.ts'

/** The span context of a W3C traceparent (version 00); undefined when it is not one. */
export const parseTraceparent = (text: string): SpanContext | undefined => {
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text)
  if (!match) return undefined
  return {
    traceId: match[1] as string,
    spanId: match[2] as string,
    traceFlags: Number.parseInt(match[3] as string, 16),
  }
}

const formatTraceparent = ({ traceId, spanId }: SpanContext): string =>
  `00-${traceId}-${spanId}-${TraceFlags.SAMPLED.toString(16).padStart(2, '0')}`

export const openTracing = (options: TracingOptions & { readonly otlpEndpoint: string }): Tracing => {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': `fleetloom-${options.service}` }),
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ url: options.otlpEndpoint }), {
        maxQueueSize: 2048,
        scheduledDelayMillis: 1000,
      }),
    ],
  })
  const tracer = provider.getTracer('fleetloom')
  return {
    sample: () => Math.random() < options.sampleRatio,
    span: ({ name, startMs, endMs, attributes, parent, links = [] }) => {
      const parentContext = parent === undefined ? undefined : parseTraceparent(parent)
      const linked: Link[] = links
        .flatMap((text) => parseTraceparent(text) ?? [])
        .map((linkContext) => ({ context: linkContext }))
      const root = parentContext ? trace.setSpanContext(context.active(), parentContext) : context.active()
      const span = tracer.startSpan(
        name,
        { startTime: startMs, links: linked, ...(attributes ? { attributes } : {}) },
        root,
      )
      span.end(endMs ?? Date.now())
      return formatTraceparent(span.spanContext())
    },
    [Symbol.asyncDispose]: () => provider.shutdown(),
  }
}
