/** The few codes of MQTT 5 that ingest speaks of by name. */

export const PUBLISH = 3

export const REASON = {
  normal: 0x00,
  notAuthorized: 0x87,
  sessionTakenOver: 0x8e,
  malformedPacket: 0x81,
  protocolError: 0x82,
  receiveMaximumExceeded: 0x93,
} as const

const WORDS: Readonly<Record<number, string>> = {
  0: 'normal disconnection',
  129: 'malformed packet',
  130: 'protocol error',
  133: 'client id not valid',
  134: 'bad user name or password',
  135: 'not authorized',
  136: 'server unavailable',
  137: 'server busy',
  138: 'banned',
  139: 'server shutting down',
  141: 'keep alive timeout',
  142: 'session taken over',
  147: 'receive maximum exceeded',
  149: 'packet too large',
  152: 'administrative action',
}

/** A reason code in words. */
export const reasonText = (code: number): string => WORDS[code] ?? `reason code 0x${code.toString(16)}`

/** What the broker sent is not MQTT 5, or not what was asked for. The connection can't go on. */
export class ProtocolFault extends Error {
  override name = 'ProtocolFault'
}
