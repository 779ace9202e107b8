/**
 * Container images from files, without a daemon: each layer is a tar archive, and all images go into one OCI archive that holds a
 * layer once, however many of them have it. The same files give the same bytes: owners, times and modes are the same on every
 * machine.
 */
import { createHash } from 'node:crypto'
import { createReadStream, lstatSync, mkdirSync, readdirSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { tempDir } from '../kit/temp.ts'
import { run } from '../tools/run.ts'

/** A file or folder of this machine, symlinks followed, or a text; `to` is its path in the image. */
export type Source = { readonly to: string } & ({ readonly from: string } | { readonly text: string })
export type Layer = readonly Source[]

export type Image = {
  /** `localhost/NAME:TAG` */
  readonly name: string
  readonly layers: readonly Layer[]
  readonly entrypoint: readonly string[]
}

/** Who everything runs as: nobody in particular, and not root. */
export const USER = 65_532

const ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64' }
const architecture = (): string => ARCHITECTURE[process.arch] ?? process.arch

const must = async (command: string, ...args: string[]): Promise<void> => {
  const { code, output } = await run(command, args)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${output.trim()}`)
}

/** A tar archive of the folder's content in which nothing tells when, where or by whom it was made. */
const tar = (folder: string, file: string): Promise<void> =>
  must(
    'tar',
    ...['--create', `--file=${file}`, `--directory=${folder}`, '--format=gnu', '--sort=name', '--mtime=@0'],
    ...['--owner=0', '--group=0', '--numeric-owner', '--mode=u+rwX,go+rX,go-w,a-st', '.'],
  )

const sha256 = async (file: string): Promise<string> => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 2 ** 20 }), hash)
  return hash.digest('hex')
}

type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number }

/** The folder that becomes the archive. */
class Layout {
  readonly #folder: string
  readonly #layers = new Map<string, Promise<Descriptor>>()

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true })
  }

  layer(sources: Layer): Promise<Descriptor> {
    const key = JSON.stringify(sources)
    const made = this.#layers.get(key) ?? this.#makeLayer(sources)
    this.#layers.set(key, made)
    return made
  }

  json(kind: string, value: unknown): Descriptor {
    const text = JSON.stringify(value)
    const hex = createHash('sha256').update(text).digest('hex')
    writeFileSync(join(this.#folder, 'blobs', 'sha256', hex), text)
    return {
      mediaType: `application/vnd.oci.image.${kind}.v1+json`,
      digest: `sha256:${hex}`,
      size: Buffer.byteLength(text),
    }
  }

  finish(manifests: readonly object[]): void {
    writeFileSync(join(this.#folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    writeFileSync(join(this.#folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
  }

  async #makeLayer(sources: Layer): Promise<Descriptor> {
    await using staged = tempDir('layer')
    for (const source of sources) {
      const path = join(staged.path, source.to)
      mkdirSync(dirname(path), { recursive: true })
      if ('text' in source) writeFileSync(path, source.text)
      else await must('cp', '--recursive', '--dereference', '--reflink=auto', source.from, path)
    }
    const file = `${staged.path}.tar`
    await tar(staged.path, file)
    const hex = await sha256(file)
    const blob = join(this.#folder, 'blobs', 'sha256', hex)
    await rename(file, blob)
    return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${hex}`, size: statSync(blob).size }
  }
}

const manifestOf = async (layout: Layout, { name, layers, entrypoint }: Image) => {
  const descriptors: Descriptor[] = []
  for (const layer of layers) descriptors.push(await layout.layer(layer))
  const config = layout.json('config', {
    architecture: architecture(),
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {
      User: `${USER}:${USER}`,
      Entrypoint: entrypoint,
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin'],
      WorkingDir: '/',
    },
    rootfs: { type: 'layers', diff_ids: descriptors.map(({ digest }) => digest) },
  })
  const manifest = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json' }
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.split(':')[1] }
  return { ...layout.json('manifest', { ...manifest, config, layers: descriptors }), annotations }
}

/** Writes one OCI archive that holds the images, as `ctr images import` takes it. */
export const writeImages = async (images: readonly Image[], archive: string): Promise<void> => {
  await using folder = tempDir('images')
  const layout = new Layout(folder.path)
  const manifests: object[] = []
  for (const image of images) manifests.push(await manifestOf(layout, image))
  layout.finish(manifests)
  const unfinished = `${archive}.${process.pid}`
  try {
    await tar(folder.path, unfinished)
    await rename(unfinished, archive)
  } finally {
    await rm(unfinished, { force: true })
  }
}

const filesBelow = (path: string): string[] =>
  lstatSync(realpathSync(path)).isDirectory()
    ? readdirSync(path)
        .sort()
        .flatMap((name) => filesBelow(join(path, name)))
    : [path]

/** A digest of all that the images are made of: equal when they would be. */
export const fingerprintOf = async (images: readonly Image[]): Promise<string> => {
  const hash = createHash('sha256').update(JSON.stringify([USER, architecture(), images]))
  const paths = images.flatMap(({ layers }) => layers.flat()).flatMap((one) => ('from' in one ? [one.from] : []))
  for (const file of [...new Set(paths)].sort().flatMap(filesBelow))
    hash.update(`${file} ${statSync(file).mode} ${await sha256(file)}\n`)
  return hash.digest('hex').slice(0, 16)
}
