/**
 * A checkpoint's parts as chunks: the chunks of the engine as they are, those of the counters, and before them one that says how
 * many of each there are.
 */
import { CHUNK_BYTES } from './store.ts'

export type Parcel = { readonly engine: readonly Uint8Array[]; readonly counters: Uint8Array }

const split = (bytes: Uint8Array): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, i) =>
    bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES),
  )

export const pack = ({ engine, counters }: Parcel): Uint8Array[] => [
  new TextEncoder().encode(JSON.stringify({ engine: engine.length })),
  ...engine,
  ...split(counters),
]

export const unpack = ([head = new Uint8Array(), ...chunks]: readonly Uint8Array[]): Parcel => {
  const { engine } = JSON.parse(new TextDecoder().decode(head)) as { engine: number }
  return { engine: chunks.slice(0, engine), counters: Buffer.concat(chunks.slice(engine)) }
}
