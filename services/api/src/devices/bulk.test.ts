import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ref } from '@fleetloom/crds/names'
import { Problem } from '../http/problem.ts'
import { MAX_LINES, registerLines } from './bulk.ts'
import type { Outcome } from './provisioning.ts'
import type { DeviceSpec } from './schema.ts'

const FLEET = { namespace: 'ns', name: 'f' }

/** Registers all but ids that begin with `no`. */
const provisioning = (seen: string[] = []) => ({
  register: async (_: Ref, specs: readonly DeviceSpec[]): Promise<Outcome[]> =>
    specs.map(({ device }) => {
      seen.push(device)
      if (device.startsWith('no')) return { problem: new Problem('device-exists', 'taken') }
      return { ok: { secret: `s-${device}`, entry: { revision: 1, record: { namespace: 'ns', device } } as never } }
    }),
})

async function* chunks(texts: Iterable<string>, read: { count: number } = { count: 0 }): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    read.count++
    yield new TextEncoder().encode(text)
  }
}

const reportOf = async (texts: Iterable<string>, seen?: string[]) => {
  const parts = await Array.fromAsync(registerLines(provisioning(seen), FLEET, chunks(texts)))
  return parts
    .join('')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('each line is reported in order, whether it was registered, refused or not read', async () => {
  const report = await reportOf(['{"device":"a"}\n{"dev', 'ice":"no-1"}\nnull\n[]\n"x"\n{}\n{"device":"b","type":"t"}'])
  assert.deepEqual(
    report.map(({ line, status, device, secret }) => [line, status, device, secret]),
    [
      [1, 201, 'a', 's-a'],
      [2, 409, 'no-1', undefined],
      [3, 400, undefined, undefined],
      [4, 400, undefined, undefined],
      [5, 400, undefined, undefined],
      [6, 400, undefined, undefined],
      [7, 201, 'b', 's-b'],
    ],
  )
})

test('10,000 lines are taken and not one more', async () => {
  const seen: string[] = []
  const report = await reportOf(
    Array.from({ length: MAX_LINES + 5 }, (_, i) => `{"device":"d-${i}"}\n`),
    seen,
  )
  assert.equal(seen.length, MAX_LINES)
  assert.equal(report.length, MAX_LINES + 1)
  assert.deepEqual([report.at(-1).line, report.at(-1).status], [MAX_LINES + 1, 413])
})

test('input is read only as fast as the report is', async () => {
  const read = { count: 0 }
  const endless = Array.from({ length: 1_000 }, (_, i) => `{"device":"d-${i}"}\n`)
  const report = registerLines(provisioning(), FLEET, chunks(endless, read))
  for (let i = 0; i < 3; i++) await report.next()
  assert.equal(read.count, 3)
  await report.return(undefined)
})
