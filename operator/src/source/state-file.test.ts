import assert from 'node:assert/strict'
import { mkdtempDisposable, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import type { Resource } from './source.ts'
import { loadState, StateFileError, saveState } from './state-file.ts'

const folder = () => mkdtempDisposable(join(tmpdir(), 'fleetloom-state-'))

const resource: Resource = {
  kind: 'DeviceFleet',
  metadata: {
    namespace: 'lab',
    name: 'doors',
    uid: 'u1',
    generation: 2,
    finalizers: ['f'],
    deletionTimestamp: '2026-01-01T00:00:00.000Z',
    annotations: { a: 'b' },
  },
  spec: { measurements: [{ name: 'open' }] },
  status: {
    observedGeneration: 2,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Converged',
        message: '',
        observedGeneration: 2,
        lastTransitionTime: '2026-01-01T00:00:00.000Z',
      },
    ],
    devices: { registered: 3, online: 1 },
  },
}

test('what was saved is loaded, and only its owner may read it', async () => {
  await using dir = await folder()
  const path = join(dir.path, 'state.json')
  const state = { folder: '1:2', catalog: new Map([['DeviceFleet lab/doors', resource]]) }
  await writeFile(`${path}.new`, 'left by a crash', { mode: 0o644 })
  await saveState(path, state)
  assert.deepEqual(await loadState(path), state)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(dir.path), ['state.json'])
})

test('without a file the state is empty', async () => {
  await using dir = await folder()
  assert.deepEqual(await loadState(join(dir.path, 'none.json')), { folder: '', catalog: new Map() })
})

test('a damaged or foreign file is refused and left as it is', async () => {
  await using dir = await folder()
  const path = join(dir.path, 'state.json')
  for (const text of [
    '',
    '{',
    '{"version":2,"folder":"","resources":[]}',
    '{"version":1,"folder":"","resources":[{}]}',
  ]) {
    await writeFile(path, text)
    await assert.rejects(
      loadState(path),
      (error) => error instanceof StateFileError && error.message.includes('is damaged'),
    )
    assert.equal(await readFile(path, 'utf8'), text)
  }
})

test('a path that is no file is refused', async () => {
  await using dir = await folder()
  await assert.rejects(loadState(dir.path), /can't be read: EISDIR/)
})

test('a state that can not be written rejects and leaves the last one', async () => {
  await using dir = await folder()
  await assert.rejects(saveState(join(dir.path, 'missing', 'state.json'), { folder: '', catalog: new Map() }), /ENOENT/)
})
