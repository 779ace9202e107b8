import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Digest, viewOf } from './digest.ts'

const digestOf = (topic: string, payload: string, row = 0): bigint => {
  const digest = new Digest()
  const bytes = Buffer.from(`\u0007${topic}${payload}`)
  const middle = 1 + Buffer.byteLength(topic)
  digest.topic(viewOf(bytes), 1, middle, row)
  digest.payload(viewOf(bytes), middle, bytes.length)
  return (BigInt(digest.high) << 32n) | BigInt(digest.low >>> 0)
}

/** MurmurHash3_x86_128 as published, with BigInt and one array, for the whole of `data` behind the state `h`. */
const murmur = (data: Buffer, seed: readonly number[]): number[] => {
  const imul = Math.imul
  const rotl = (x: number, r: number) => (x << r) | (x >>> (32 - r))
  const fmix = (x: number) => {
    let h = x
    h = imul(h ^ (h >>> 16), 0x85ebca6b)
    h = imul(h ^ (h >>> 13), 0xc2b2ae35)
    return h ^ (h >>> 16)
  }
  const c = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93]
  const first = [15, 16, 17, 18]
  const second = [19, 17, 15, 13]
  const add = [0x561ccd1b, 0x0bcaa747, 0x96cd1c35, 0x32ac3b17]
  const h = [...seed]
  const padded = Buffer.concat([data, Buffer.alloc(16)])
  const k = (at: number, i: number) =>
    imul(rotl(imul(padded.readInt32LE(at + i * 4), c[i] as number), first[i] as number), c[(i + 1) % 4] as number)
  const blocks = Math.floor(data.length / 16)
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < 4; i++) {
      h[i] = (rotl((h[i] as number) ^ k(block * 16, i), second[i] as number) + (h[(i + 1) % 4] as number)) | 0
      h[i] = (imul(h[i] as number, 5) + (add[i] as number)) | 0
    }
  }
  for (let i = 0; i < 4; i++) h[i] = (h[i] as number) ^ k(blocks * 16, i) ^ data.length
  const spread = () => {
    h[0] = ((h[0] as number) + (h[1] as number) + (h[2] as number) + (h[3] as number)) | 0
    for (let i = 1; i < 4; i++) h[i] = ((h[i] as number) + (h[0] as number)) | 0
  }
  spread()
  for (let i = 0; i < 4; i++) h[i] = fmix(h[i] as number)
  spread()
  return h
}

test('golden vectors: a digest is the same in every version', () => {
  assert.deepEqual(
    [
      digestOf('', ''),
      digestOf('', 'a'),
      digestOf('a', ''),
      digestOf('fleets/coldchain/reefers/reefer-7/telemetry', '{"ts":1700000000000,"temperature":4.5}'),
      digestOf('fleets/coldchain/reefers/reefer-7/telemetry', '{"ts":1700000000000,"temperature":4.5}', 1),
      digestOf('sensors/a/temperature', '21.5'),
      digestOf('sensors/a/humidity', '21.5'),
    ],
    [
      0n,
      6149295974043128636n,
      4767192327512733202n,
      7156787280459618507n,
      7446590923969239881n,
      5313922614033418013n,
      -4811164745853624033n,
    ],
  )
})

test('it is MurmurHash3_x86_128 over the topic, then over the payload', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), fc.string({ maxLength: 200 }), fc.nat(9), (topic, payload, row) => {
      const [low = 0, high = 0] = murmur(Buffer.from(payload), murmur(Buffer.from(topic), [row, row, row, row]))
      assert.equal(digestOf(topic, payload, row), (BigInt(high) << 32n) | BigInt(low >>> 0))
    }),
  )
})

test('a byte that moves from the topic to the payload changes it', () => {
  assert.notEqual(digestOf('ab', 'c'), digestOf('a', 'bc'))
})
