/**
 * What a checkpoint holds, as chunks: one that says how many of each part there are, the chunks of the engine as they are, what the
 * engine was told from outside the stream, and the counters.
 */
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import type { Labels } from '@fleetloom/shared/rules/engine/ports'
import { CHUNK_BYTES } from '@fleetloom/shared/rules/engine/snapshot'
import type { Found } from '../fleet/letters.ts'

/** Fleet, rules and devices that were in force. */
export type Told = {
  readonly document: FleetDocument
  readonly rules: readonly RuleDocument[]
  readonly devices: readonly (readonly [device: string, labels: Labels])[]
}

export type Parcel = Told & {
  readonly engine: readonly Uint8Array[]
  readonly counters: Uint8Array
  /** Found and not known to be in a stream yet. */
  readonly outgoing: readonly Found[]
}

type Head = { readonly engine: number; readonly told: number }

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const decode = <T>(bytes: Uint8Array): T => JSON.parse(new TextDecoder().decode(bytes)) as T

const split = (bytes: Uint8Array): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, i) =>
    bytes.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES),
  )

export const pack = ({ engine, counters, ...rest }: Parcel): Uint8Array[] => {
  const told = split(encode(rest))
  const head: Head = { engine: engine.length, told: told.length }
  return [encode(head), ...engine, ...told, ...split(counters)]
}

/** @throws for chunks that are not those of a parcel. */
export const unpack = ([head = new Uint8Array(), ...chunks]: readonly Uint8Array[]): Parcel => {
  const { engine, told } = decode<Head>(head)
  const rest = decode<Omit<Parcel, 'engine' | 'counters'>>(Buffer.concat(chunks.slice(engine, engine + told)))
  return { ...rest, engine: chunks.slice(0, engine), counters: Buffer.concat(chunks.slice(engine + told)) }
}

export const bytesOf = (chunks: readonly Uint8Array[]): number => chunks.reduce((sum, { length }) => sum + length, 0)
