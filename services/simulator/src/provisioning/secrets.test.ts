import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Secrets } from './secrets.ts'

test('secrets outlive the process and are for their owner alone', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fleetloom-secrets-'))
  t.after(() => rm(folder, { recursive: true }))
  const file = join(folder, 'deep', 'state.json')
  const secrets = await Secrets.open(file)
  await Promise.all([secrets.put('lab.a', 'one'), secrets.put('lab.b', 'two'), secrets.put('lab.a', 'three')])
  const again = await Secrets.open(file)
  assert.deepEqual([again.get('lab.a'), again.get('lab.b'), again.get('lab.c')], ['three', 'two', undefined])
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  await writeFile(file, '[]')
  await assert.rejects(Secrets.open(file), /is not a state file of the simulator/)
})
