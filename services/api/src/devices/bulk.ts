/**
 * Many devices in one request: NDJSON in, one report line out for each line in, in order, as they are done. Memory is bounded by
 * what one read of the socket brings; the report holds the input back when nobody reads it.
 */
import type { Ref } from '@fleetloom/crds/names'
import { jsonOf, parseWith } from '../http/body.ts'
import { Problem } from '../http/problem.ts'
import { type Line, linesOf, MAX_LINE_BYTES } from './lines.ts'
import type { Outcome, Provisioning } from './provisioning.ts'
import { type DeviceSpec, newDevice } from './schema.ts'

export const MAX_LINES = 10_000
const TOGETHER = 64

type Parsed = { readonly number: number; readonly device: string | undefined } & (
  | { readonly spec: DeviceSpec }
  | { readonly problem: Problem }
)

const parse = (line: Line): Parsed => {
  const { number } = line
  if ('tooLong' in line) {
    const problem = new Problem('too-large', `the line is longer than ${MAX_LINE_BYTES} bytes`, { next: 'Shorten it.' })
    return { number, device: undefined, problem }
  }
  return parseText(number, line.text)
}

const parseText = (number: number, text: string): Parsed => {
  let json: { readonly device?: unknown } | null = null
  try {
    json = jsonOf(text) as { readonly device?: unknown } | null
    const spec = parseWith(newDevice, json, 'line')
    return { number, device: spec.device, spec }
  } catch (error) {
    const device = typeof json?.device === 'string' ? json.device.slice(0, 128) : undefined
    const problem =
      error instanceof Problem
        ? error
        : new Problem('invalid-request', `line: not JSON: ${(error as Error).message}`, {
            next: 'Send one JSON object a line.',
          })
    return { number, device, problem }
  }
}

const reportLine = ({ number, device }: Parsed, outcome: Outcome): string => {
  const report =
    'ok' in outcome
      ? {
          line: number,
          status: 201,
          device,
          username: `${outcome.ok.entry.record.namespace}.${device}`,
          secret: outcome.ok.secret,
        }
      : {
          line: number,
          status: outcome.problem.status,
          ...(device === undefined ? {} : { device }),
          problem: outcome.problem,
        }
  return `${JSON.stringify(report)}\n`
}

const tooMany = (): string => {
  const problem = new Problem('too-large', `a request registers at most ${MAX_LINES} devices`, {
    next: `Send line ${MAX_LINES + 1} and what follows in another request.`,
  })
  return `${JSON.stringify({ line: MAX_LINES + 1, status: problem.status, problem })}\n`
}

/** The report of registering what `body` holds into the fleet. */
export async function* registerLines(
  provisioning: Pick<Provisioning, 'register'>,
  fleet: Ref,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<string> {
  for await (const lines of linesOf(body)) {
    const within = lines.filter(({ number }) => number <= MAX_LINES)
    for (let i = 0; i < within.length; i += TOGETHER) {
      const parsed = within.slice(i, i + TOGETHER).map(parse)
      yield await registerTogether(provisioning, fleet, parsed)
    }
    if (within.length < lines.length) return yield tooMany()
  }
}

const registerTogether = async (
  provisioning: Pick<Provisioning, 'register'>,
  fleet: Ref,
  parsed: readonly Parsed[],
): Promise<string> => {
  const specs = parsed.flatMap((one) => ('spec' in one ? [one.spec] : []))
  const outcomes = await provisioning.register(fleet, specs)
  return parsed.map((one) => reportLine(one, 'problem' in one ? one : (outcomes.shift() as Outcome))).join('')
}
