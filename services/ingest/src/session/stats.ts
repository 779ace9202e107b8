/** What a session has counted since it was opened; read by the metrics. */
export const emptyStats = () => ({
  messages: 0,
  rows: 0,
  payloadBytes: 0,
  events: 0,
  batches: 0,
  redelivered: 0,
  reconnects: 0,
  rejected: new Map<string, number>(),
  faults: new Map<string, number>(),
  unknownFields: 0,
  connected: false,
})

export type Stats = ReturnType<typeof emptyStats>

export const count = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
