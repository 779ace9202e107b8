import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tempDir } from '../kit/temp.ts'
import { run } from '../tools/run.ts'
import { fingerprintOf, type Image, type Layer, writeImages } from './oci.ts'

/** A folder with a program, a link to it and a text, made at this time. */
const folderOf = (parent: string, name: string, seconds: number): string => {
  const folder = join(parent, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'program'), '#!/bin/sh\n', { mode: 0o700 })
  writeFileSync(join(folder, 'text'), 'text', { mode: 0o600 })
  symlinkSync('program', join(folder, 'link'))
  utimesSync(join(folder, 'text'), seconds, seconds)
  return folder
}

const imagesOf = (folder: string): Image[] => {
  const base: Layer = [
    { from: folder, to: '/opt/folder' },
    { to: '/etc/name', text: 'nobody' },
  ]
  const layers = (text: string): Layer[] => [base, [{ to: '/own', text }]]
  return ['first', 'second'].map((name) => ({
    name: `localhost/${name}:test`,
    layers: layers(name),
    entrypoint: [name],
  }))
}

const unpack = async (archive: string, into: string): Promise<void> => {
  mkdirSync(into, { recursive: true })
  const { code, output } = await run('tar', ['--extract', `--file=${archive}`, `--directory=${into}`])
  assert.equal(code, 0, output)
}

test('the same files give the same archive, whenever and by whomever they were made', async () => {
  await using temp = tempDir()
  const archives = [1, 2].map((n) => join(temp.path, `${n}.tar`))
  const folder = folderOf(temp.path, 'folder', 1_000)
  await writeImages(imagesOf(folder), archives[0] as string)
  utimesSync(join(folder, 'text'), 2_000, 2_000)
  await writeImages(imagesOf(folder), archives[1] as string)
  const [first, second] = archives.map((file) => readFileSync(file))
  assert.ok(first?.equals(second as Buffer))
})

test('images share a layer; in it links are followed, and everyone may read and nobody else write', async () => {
  await using temp = tempDir()
  const archive = join(temp.path, 'images.tar')
  await writeImages(imagesOf(folderOf(temp.path, 'folder', 1_000)), archive)
  const layout = join(temp.path, 'layout')
  await unpack(archive, layout)
  const json = (path: string) => JSON.parse(readFileSync(join(layout, path), 'utf8'))
  const blob = (digest: string) => join('blobs', 'sha256', digest.slice('sha256:'.length))
  const manifests = json('index.json').manifests as { digest: string; annotations: Record<string, string> }[]
  assert.deepEqual(
    manifests.map(({ annotations }) => annotations['io.containerd.image.name']),
    ['localhost/first:test', 'localhost/second:test'],
  )
  const layers = manifests.map(({ digest }) => json(blob(digest)).layers.map((one: { digest: string }) => one.digest))
  assert.equal(layers[0][0], layers[1][0])
  assert.notEqual(layers[0][1], layers[1][1])
  const config = json(blob(json(blob((manifests[0] as { digest: string }).digest)).config.digest))
  assert.deepEqual(config.rootfs.diff_ids, layers[0])
  assert.deepEqual([config.config.User, config.config.Entrypoint], ['65532:65532', ['first']])
  const list = await run('tar', ['--list', '--verbose', `--file=${join(layout, blob(layers[0][0]))}`])
  const entries = list.output
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/))
  assert.deepEqual(
    entries.map(([mode, owner, , , , path]) => `${mode} ${owner} ${path}`),
    [
      'drwxr-xr-x 0/0 ./',
      'drwxr-xr-x 0/0 ./etc/',
      '-rw-r--r-- 0/0 ./etc/name',
      'drwxr-xr-x 0/0 ./opt/',
      'drwxr-xr-x 0/0 ./opt/folder/',
      '-rwxr-xr-x 0/0 ./opt/folder/link',
      '-rwxr-xr-x 0/0 ./opt/folder/program',
      '-rw-r--r-- 0/0 ./opt/folder/text',
    ],
  )
})

test('the fingerprint changes with a file, a text or an entrypoint, and with nothing else', async () => {
  await using temp = tempDir()
  const folder = folderOf(temp.path, 'folder', 1_000)
  const [image] = imagesOf(folder) as [Image]
  const before = await fingerprintOf([image])
  utimesSync(join(folder, 'text'), 2_000, 2_000)
  assert.equal(await fingerprintOf([image]), before)
  assert.notEqual(await fingerprintOf([{ ...image, entrypoint: ['other'] }]), before)
  assert.notEqual(await fingerprintOf([{ ...image, layers: [[{ to: '/own', text: 'other' }]] }]), before)
  writeFileSync(join(folder, 'text'), 'other')
  assert.notEqual(await fingerprintOf([image]), before)
})
