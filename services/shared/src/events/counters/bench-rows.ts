import { eventHead, eventLine } from '../row.ts'

/** Body of a batch of ordinary events, one each millisecond. */
export const batchRows = (rows: number, startMicros: number): Uint8Array => {
  const head = eventHead({ installation: 'fleetloom', namespace: 'site', name: 'doors' })
  const lines = Array.from({ length: rows }, (_, n) =>
    eventLine(
      head,
      {
        ...{ type: 'login_failed', severity: 'high', user: `user-${n}`, address: '10.0.0.7' },
        ...{ metadata: '{"tries":3}', micros: startMicros + n * 1000, timed: true, unknown: [] },
      },
      { device: `door-${n % 50}`, digest: (BigInt(n) * 0x9e3779b97f4a7c15n) % 2n ** 63n },
    ),
  )
  return Buffer.from(lines.join(''))
}
