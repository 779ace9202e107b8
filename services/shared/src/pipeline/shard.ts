/**
 * The shard of a device: FNV-1a (32 bit, http://www.isthe.com/chongo/tech/comp/fnv/) over the bytes of its id, finished
 * with the murmur3 mixer so that ids that differ in the last digit spread, modulo the number of shards. Every service and
 * every version must agree on it: order per device depends on it.
 */

/** 32-bit hash of `bytes[start, end)`, as an unsigned integer. */
export const hash32 = (bytes: Uint8Array, start: number, end: number): number => {
  let h = 0x811c9dc5
  for (let i = start; i < end; i++) h = Math.imul(h ^ (bytes[i] as number), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Shard of a device, 0 ≤ shard < shards. */
export const shardOf = (device: string, shards: number): number => {
  const bytes = new TextEncoder().encode(device)
  return hash32(bytes, 0, bytes.length) % shards
}
