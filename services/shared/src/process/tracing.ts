/**
 * Traces, off by default. A message is sampled where it enters; its span's traceparent rides in the batch that carries it,
 * and the spans of later stages link to it, as one batch holds many messages.
 */
export type SpanInput = {
  readonly name: string
  /** ms since the epoch; `endMs` defaults to now. */
  readonly startMs: number
  readonly endMs?: number
  readonly attributes?: Readonly<Record<string, string | number | boolean>>
  /** W3C traceparents. */
  readonly parent?: string
  readonly links?: readonly string[]
}

export type Tracing = AsyncDisposable & {
  /** Whether to trace the message at hand. Cheap, and always false when tracing is off. */
  sample(): boolean
  /** Records a finished span and returns its traceparent; '' when tracing is off. */
  span(input: SpanInput): string
}

export type TracingOptions = {
  readonly service: string
  readonly otlpEndpoint: string | undefined
  readonly sampleRatio: number
}

const OFF: Tracing = { sample: () => false, span: () => '', [Symbol.asyncDispose]: async () => undefined }

/** OpenTelemetry is loaded only when there is an endpoint: it takes 10 MB. */
export const createTracing = async ({ otlpEndpoint, ...options }: TracingOptions): Promise<Tracing> => {
  if (otlpEndpoint === undefined) return OFF
  const { openTracing } = await import('./otlp.ts')
  return openTracing({ ...options, otlpEndpoint })
}
