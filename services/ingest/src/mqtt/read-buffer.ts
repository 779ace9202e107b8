import { viewOf } from '@fleetloom/shared/rows/digest'

/** Frames up to this size are read in place; larger ones are collected in a buffer of their own. */
export const FRAME_IN_PLACE = 64 * 1024
const READ_BYTES = 256 * 1024
/** Messages that one read can hold, as small as they come: 20 bytes of topic and 10 of payload. */
export const MOST_IN_A_READ = READ_BYTES / 32

/**
 * The one buffer that every connection of the process reads into. It holds bytes only during a read callback; what a
 * connection can't use yet it copies aside and puts back in front of its next read, into the headroom.
 */
export const readBuffer = {
  bytes: Buffer.alloc(FRAME_IN_PLACE + READ_BYTES + 1),
  view: viewOf(new Uint8Array(0)),
  /** Where the socket's bytes go; one byte stays free behind them for the decoder's stop byte. */
  region: new Uint8Array(0),
  start: FRAME_IN_PLACE,
}
readBuffer.view = viewOf(readBuffer.bytes)
readBuffer.region = readBuffer.bytes.subarray(FRAME_IN_PLACE, FRAME_IN_PLACE + READ_BYTES)
