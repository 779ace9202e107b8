import assert from 'node:assert/strict'
import { mkdir, mkdtempDisposable, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { mock } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import { createFilesSource } from './files.ts'
import type { Kind, Status } from './source.ts'

const DOORS = { namespace: 'lab', name: 'doors' }

const fleet = (name: string, extra = '') => `apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: {name: ${name}, namespace: lab}
spec:
  measurements: [{name: open, type: Boolean}]
${extra}`

const log = createLogger('test', 'silent')
const warn = mock.method(log, 'warn')

/** Waits until `check` gives something true; fails after half a minute. */
const until = async <T>(what: string, check: () => T | Promise<T>): Promise<NonNullable<T>> => {
  const deadline = Date.now() + 30_000
  while (Date.now() < deadline) {
    const found = await check()
    if (found) return found as NonNullable<T>
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const warnings = warn.mock.calls.map(({ arguments: told }) => told)
  throw new Error(`waited in vain: ${what}; warned of ${JSON.stringify(warnings)}`)
}

const setUp = async () => {
  const dir = await mkdtempDisposable(join(tmpdir(), 'fleetloom-files-'))
  const folder = join(dir.path, 'manifests')
  await mkdir(folder)
  const heard: string[] = []
  const open = async (options: { rescanMs?: number } = {}) => {
    const stateFile = join(dir.path, 'state.json')
    const source = await createFilesSource({ folder, stateFile, log, settleMs: 10, rescanMs: 60, ...options })
    await source.start((kind, { namespace, name }) => heard.push(`${kind} ${namespace}/${name}`))
    return source
  }
  const put = (file: string, text: string) => writeFile(join(folder, file), text)
  return { folder, heard, open, put, [Symbol.asyncDispose]: () => dir.remove() }
}

const generationOf = async (source: Awaited<ReturnType<typeof createFilesSource>>, kind: Kind = 'DeviceFleet') =>
  (await source.get(kind, DOORS))?.metadata.generation

test('what is in the folder is told at the start, with defaults and a uid', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  await at.put('notes.txt', 'not a manifest')
  await at.put('.hidden.yaml', 'not: a manifest')
  await using source = await at.open()
  const resource = await source.get('DeviceFleet', DOORS)
  assert.deepEqual(at.heard, ['DeviceFleet lab/doors'])
  assert.match(resource?.metadata.uid ?? '', /^[0-9a-f-]{36}$/)
  assert.equal((resource?.spec as { stream: { shards: number } } | undefined)?.stream.shards, 4)
  assert.deepEqual(await source.list('AlertRule'), [])
  assert.equal(await source.get('AlertRule', DOORS), undefined)
})

test('a file that is added or edited is noticed by its event', async () => {
  await using at = await setUp()
  await using source = await at.open({ rescanMs: 60_000 })
  await at.put('doors.yaml', fleet('doors'))
  await until('the new fleet', () => generationOf(source))
  await at.put('doors.yaml', fleet('doors', '  offlineAfter: 1m\n'))
  await until('the next generation', async () => (await generationOf(source)) === 2)
  assert.deepEqual([...new Set(at.heard)], ['DeviceFleet lab/doors'])
  assert.deepEqual(
    (await source.list('DeviceFleet')).map(({ metadata }) => metadata.name),
    ['doors'],
  )
})

test('a file replaced by rename, as editors do, is an edit', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  await using source = await at.open({ rescanMs: 60_000 })
  const uid = (await source.get('DeviceFleet', DOORS))?.metadata.uid
  await at.put('doors.yaml~new', fleet('doors', '  offlineAfter: 1m\n'))
  await rename(join(at.folder, 'doors.yaml~new'), join(at.folder, 'doors.yaml'))
  await until('the next generation', async () => (await generationOf(source)) === 2)
  assert.equal((await source.get('DeviceFleet', DOORS))?.metadata.uid, uid)
})

test('a file that turns invalid keeps its last good version and says why, and heals', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  await using source = await at.open()
  const good = await source.get('DeviceFleet', DOORS)
  at.heard.length = 0
  await at.put('doors.yaml', fleet('doors', '  offlineAfter: soon\n'))
  const refusal = await until('a refusal', () => source.refusals()[0])
  assert.deepEqual(
    [refusal.file, refusal.line, refusal.field, refusal.resource],
    ['doors.yaml', 6, 'spec.offlineAfter', { kind: 'DeviceFleet', ...DOORS }],
  )
  assert.equal(await source.get('DeviceFleet', DOORS), good)
  assert.deepEqual(at.heard, ['DeviceFleet lab/doors'])
  assert.deepEqual(
    source.events().map(({ type, reason, name, count }) => [type, reason, name, count]),
    [['Warning', 'Invalid', 'doors', 1]],
  )
  await at.put('doors.yaml', fleet('doors'))
  await until('no refusal', () => source.refusals().length === 0)
  assert.equal(await source.get('DeviceFleet', DOORS), good)
})

test('a broken file never removes anything, not even what another file no longer holds', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  await using source = await at.open({ rescanMs: 20 })
  await at.put('broken.yaml', 'kind: [\n')
  await until('a refusal', () => source.refusals().length === 1)
  await rm(join(at.folder, 'doors.yaml'))
  await at.put('other.yaml', fleet('other'))
  await until('the other fleet', () => source.get('DeviceFleet', { namespace: 'lab', name: 'other' }))
  assert.ok(await source.get('DeviceFleet', DOORS))
  await rm(join(at.folder, 'broken.yaml'))
  await until('the removal', async () => (await source.get('DeviceFleet', DOORS)) === undefined)
})

test('a folder that is away removes nothing, and is followed again when it is back', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  await using source = await at.open({ rescanMs: 20 })
  await rename(at.folder, `${at.folder}-away`)
  await until('a refusal', () => source.refusals()[0]?.message.includes('nothing is changed or removed'))
  assert.ok(await source.get('DeviceFleet', DOORS))
  await rename(`${at.folder}-away`, at.folder)
  await at.put('doors.yaml', fleet('doors', '  offlineAfter: 1m\n'))
  await until('the next generation', async () => (await generationOf(source)) === 2)
  assert.deepEqual(source.refusals(), [])
})

test('another, empty folder in its place removes nothing', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  await using source = await at.open({ rescanMs: 20 })
  await rename(at.folder, `${at.folder}-unmounted`)
  await mkdir(at.folder)
  await until('a refusal', () => source.refusals()[0]?.message.includes('is empty and not the folder'))
  assert.ok(await source.get('DeviceFleet', DOORS))
})

test('a file too large, or a folder named as a file, is told or passed over', async () => {
  await using at = await setUp()
  await at.put('large.yaml', `# ${'x'.repeat(1024 * 1024)}`)
  await mkdir(join(at.folder, 'more.yaml'))
  await using source = await at.open()
  assert.deepEqual(
    source.refusals().map(({ file, message }) => [file, message]),
    [['large.yaml', 'is larger than 262144 bytes; part it into several files']],
  )
})

test('a file that can not be read is told, and nothing is removed', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  await using source = await at.open({ rescanMs: 20 })
  await rm(join(at.folder, 'doors.yaml'))
  await symlink('nowhere', join(at.folder, 'link.yaml'))
  await until('a refusal', () => source.refusals()[0]?.message.startsWith("can't be read: ENOENT"))
  await at.put('locks.yaml', fleet('locks'))
  await until('another fleet', () => source.get('DeviceFleet', { namespace: 'lab', name: 'locks' }))
  assert.ok(await source.get('DeviceFleet', DOORS))
})

test('a file removed removes its resource at once when nothing holds it back', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  await at.put('locks.yaml', fleet('locks'))
  await using source = await at.open({ rescanMs: 60_000 })
  at.heard.length = 0
  await rm(join(at.folder, 'doors.yaml'))
  await until('the removal', async () => (await source.get('DeviceFleet', DOORS)) === undefined)
  assert.deepEqual(at.heard, ['DeviceFleet lab/doors'])
})

test('a finalizer holds a removed resource until it is taken away; a manifest that is back makes a new one', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  await using source = await at.open({ rescanMs: 60_000 })
  await source.addFinalizer('DeviceFleet', DOORS, 'fleetloom.io/drain')
  const uid = (await source.get('DeviceFleet', DOORS))?.metadata.uid
  await rm(join(at.folder, 'doors.yaml'))
  const marked = await until('the mark', async () => {
    const resource = await source.get('DeviceFleet', DOORS)
    return resource?.metadata.deletionTimestamp === undefined ? undefined : resource
  })
  assert.deepEqual(marked.metadata.finalizers, ['fleetloom.io/drain'])
  await source.addFinalizer('DeviceFleet', DOORS, 'late')
  await at.put('doors.yaml', fleet('doors'))
  await source.removeFinalizer('DeviceFleet', DOORS, 'unknown')
  assert.deepEqual((await source.get('DeviceFleet', DOORS))?.metadata.finalizers, ['fleetloom.io/drain'])
  await source.removeFinalizer('DeviceFleet', DOORS, 'fleetloom.io/drain')
  const again = await until('the new one', async () => {
    const resource = await source.get('DeviceFleet', DOORS)
    return resource?.metadata.uid === uid ? undefined : resource
  })
  assert.equal(again.metadata.generation, 1)
  assert.deepEqual(again.metadata.finalizers, [])
})

const STATUS: Status = {
  observedGeneration: 1,
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      reason: 'Converged',
      message: 'all is in place',
      observedGeneration: 1,
      lastTransitionTime: '2026-01-01T00:00:00.000Z',
    },
  ],
  devices: { registered: 2, online: 1 },
}

test('uid, generation, finalizers and status outlive a restart', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  const before = await (async () => {
    await using source = await at.open()
    await Promise.all([
      source.putStatus('DeviceFleet', DOORS, STATUS),
      source.addFinalizer('DeviceFleet', DOORS, 'f'),
      source.addFinalizer('DeviceFleet', DOORS, 'f'),
      source.putStatus('DeviceFleet', { namespace: 'lab', name: 'unknown' }, STATUS),
    ])
    return source.get('DeviceFleet', DOORS)
  })()
  assert.deepEqual(before?.status, STATUS)
  assert.deepEqual(before?.metadata.finalizers, ['f'])
  await using source = await at.open()
  assert.deepEqual(await source.get('DeviceFleet', DOORS), before)
})

test('a manifest that turned invalid while nothing ran keeps its last good version', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors', '  stream: {shards: 2}\n'))
  await (await at.open())[Symbol.asyncDispose]()
  await at.put('doors.yaml', fleet('doors', '  stream: {shards: 8}\n'))
  await using source = await at.open()
  const resource = await source.get('DeviceFleet', DOORS)
  assert.equal((resource?.spec as { stream: { shards: number } } | undefined)?.stream.shards, 2)
  assert.match(source.refusals()[0]?.message ?? '', /^shards can not change/)
})

test('a file removed while nothing ran removes its resource at the next start', async () => {
  await using at = await setUp()
  await at.put('doors.yaml', fleet('doors'))
  await (await at.open())[Symbol.asyncDispose]()
  await rm(join(at.folder, 'doors.yaml'))
  await using source = await at.open({ rescanMs: 60_000 })
  await until('the removal', async () => (await source.get('DeviceFleet', DOORS)) === undefined)
})

test('a change that can not be kept is not told until it can', { timeout: 60_000 }, async () => {
  await using at = await setUp()
  const blocked = join(at.folder, '../state.json.new')
  await mkdir(blocked)
  await at.put('doors.yaml', fleet('doors'))
  await using source = await at.open({ rescanMs: 20 })
  assert.deepEqual(at.heard, [])
  assert.deepEqual(await source.list('DeviceFleet'), [])
  await rm(blocked, { recursive: true })
  await until('the fleet', () => at.heard.length > 0)
  const kept = JSON.parse(await readFile(join(at.folder, '../state.json'), 'utf8')) as { resources: unknown[] }
  assert.equal(kept.resources.length, 1)
})

test('after its end nothing is told any more', async () => {
  await using at = await setUp()
  const source = await at.open({ rescanMs: 5 })
  await source[Symbol.asyncDispose]()
  await at.put('doors.yaml', fleet('doors'))
  await using other = await at.open()
  await until('the fleet', () => other.get('DeviceFleet', DOORS))
  assert.equal(await source.get('DeviceFleet', DOORS), undefined)
})
