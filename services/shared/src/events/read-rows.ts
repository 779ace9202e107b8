/** Reads back the rows of a batch of events, as `eventLine` writes them. */
import type { EventSeverity } from './event.ts'

export type EventRow = {
  readonly fleet: string
  readonly device: string
  readonly type: string
  readonly severity: EventSeverity
  readonly user?: string
  readonly address?: string
  /** Compact JSON of an object. */
  readonly metadata?: string
  /** Upper and lower half of the digest, as signed integers. */
  readonly digestHigh: number
  readonly digestLow: number
  /** µs since the epoch. */
  readonly micros: number
}

const TEXT = String.raw`"([^"\\]*(?:\\[\s\S][^"\\]*)*)"`
const texts = ['user', 'address', 'metadata'].map((field) => `(?:${field}=${TEXT},)?`).join('')
const ROW = new RegExp(
  String.raw`[^,\n]+,fleet=([^,\n]+),device=([^,\n]+),type=([^,\n]+),severity=([a-z]+) ${texts}digest=(-?\d+)i (\d+)000\n`,
  'y',
)

const unescaped = (text: string): string => (text.includes('\\') ? text.replace(/\\([\s\S])/g, '$1') : text)

const rowOf = (match: RegExpExecArray): EventRow => {
  const [, fleet, device, type, severity, user, address, metadata, digest, micros] = match
  const value = BigInt(digest as string)
  return {
    fleet: fleet as string,
    device: device as string,
    type: type as string,
    severity: severity as EventSeverity,
    ...(user !== undefined && { user: unescaped(user) }),
    ...(address !== undefined && { address: unescaped(address) }),
    ...(metadata !== undefined && { metadata: unescaped(metadata) }),
    digestHigh: Number(BigInt.asIntN(32, value >> 32n)),
    digestLow: Number(BigInt.asIntN(32, value)),
    micros: Number(micros),
  }
}

/** Calls `onRow` for each row in order; a line that is none of ours is passed over. */
export const readEventRows = (body: Uint8Array, onRow: (row: EventRow) => void): void => {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
  for (let at = 0; at < text.length; ) {
    ROW.lastIndex = at
    const match = ROW.exec(text)
    if (match) onRow(rowOf(match))
    const newline = match ? -1 : text.indexOf('\n', at)
    at = match ? ROW.lastIndex : newline < 0 ? text.length : newline + 1
  }
}
