/**
 * The images of the cluster: our services, each bundled into one file, and the servers that tests run beside them, all from what
 * package registries have brought to this machine. What a program links to comes along, and nothing else does: no shell, no
 * package manager.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { mainOf, SERVICES, type Service } from '../kit/services.ts'
import { ROOT, toolPath } from '../tools/paths.ts'
import { run } from '../tools/run.ts'
import { SANDBOX_IMAGE } from './node-files.ts'
import { fingerprintOf, type Image, type Layer, USER, writeImages } from './oci.ts'

const CACHE = join(ROOT, '.cache', 'images')
const REGISTRY = 'localhost'
const TAG = 'test'

/** Where the images of our services are, as values of the chart. */
export const IMAGE = { registry: REGISTRY, tag: TAG } as const

export type Server = 'nats' | 'questdb' | 'mosquitto'
export const serverImage = (server: Server): string => `${REGISTRY}/${server}:${TAG}`

/** Paths of the shared libraries that a program or library is linked to, the loader among them. */
const librariesOf = async (file: string): Promise<string[]> => {
  const { code, output } = await run('ldd', [file])
  if (code !== 0) throw new Error(`ldd ${file}: ${output.trim()}`)
  const missing = /^\s*(\S+) => not found$/m.exec(output)?.[1]
  if (missing !== undefined) throw new Error(`${file} is linked to ${missing}, which is not installed`)
  return [...output.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map(([, path]) => path as string)
}

/** At the same paths, where the loader looks for them. */
const librariesLayer = async (files: readonly string[], except: readonly string[] = []): Promise<Layer> => {
  const all = (await Promise.all(files.map(librariesOf))).flat().filter((path) => !except.includes(path))
  return [...new Set(all)].sort().map((path) => ({ from: path, to: path }))
}

const NAMES: Layer = [
  { to: '/etc/passwd', text: `nobody:x:${USER}:${USER}::/:/sbin/nologin\n` },
  { to: '/etc/group', text: `nobody:x:${USER}:\n` },
  { to: '/etc/nsswitch.conf', text: 'passwd: files\ngroup: files\nhosts: files dns\n' },
]

/** What bundled CommonJS packages call to load modules of Node's. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

/** The service as one file: the same wherever on a machine its sources lie. */
export const bundle = async (service: Service): Promise<string> => {
  const { outputFiles } = await build({
    entryPoints: [mainOf(service)],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    legalComments: 'eof',
    banner: { js: REQUIRE },
    absWorkingDir: ROOT,
    logLevel: 'error',
  })
  return (outputFiles[0] as { text: string }).text
}

const NODE = '/usr/local/bin/node'
/** That of the npm package. */
const NODE_HERE = join(ROOT, 'node_modules', 'node', 'bin', 'node')

const serviceImage = async (service: Service, base: Layer): Promise<Image> => ({
  name: `${REGISTRY}/fleetloom-${service}:${TAG}`,
  layers: [base, [{ from: NODE_HERE, to: NODE }], [{ text: await bundle(service), to: '/app/main.mjs' }]],
  // Node warns of url.parse() in mqtt, which it does not where it sees that it is a package.
  entrypoint: [NODE, '--disable-warning=DEP0169', '/app/main.mjs'],
})

const natsImage = (): Image => ({
  name: serverImage('nats'),
  layers: [NAMES, [{ from: toolPath('nats-server'), to: '/usr/local/bin/nats-server' }]],
  entrypoint: ['/usr/local/bin/nats-server'],
})

/** Where the image has it. */
export const QUESTDB_JAR = '/opt/questdb.jar'

const runtimeFolder = (): string => dirname(dirname(toolPath('java')))

const questdbImage = (base: Layer): Image => ({
  name: serverImage('questdb'),
  layers: [
    base,
    ['bin/java', 'conf', 'lib'].map((part) => ({ from: join(runtimeFolder(), part), to: `/opt/java/${part}` })),
    [{ from: toolPath('QuestDB jar'), to: QUESTDB_JAR }],
  ],
  entrypoint: ['/opt/java/bin/java'],
})

/** Where the image has the plugin. */
export const MOSQUITTO_PLUGIN = '/usr/local/lib/mosquitto_dynamic_security.so'

/** With a shell and `cp`, which put the first security file in place. */
const mosquittoImage = async (base: Layer): Promise<Image> => {
  const plugin = toolPath('Mosquitto dynamic security plugin')
  const programs = { mosquitto: toolPath('mosquitto'), sh: '/bin/sh', cp: '/bin/cp' }
  const inBase = base.map(({ to }) => to)
  return {
    name: serverImage('mosquitto'),
    layers: [
      base,
      await librariesLayer([...Object.values(programs), plugin], inBase),
      [
        { from: plugin, to: MOSQUITTO_PLUGIN },
        ...Object.entries(programs).map(([name, from]) => ({ from, to: `/bin/${name}` })),
      ],
    ],
    entrypoint: ['/bin/mosquitto'],
  }
}

const sandboxImage = (base: Layer): Image => ({
  name: SANDBOX_IMAGE,
  layers: [base, [{ from: '/bin/sleep', to: '/bin/sleep' }]],
  entrypoint: ['/bin/sleep', 'infinity'],
})

const allImages = async (): Promise<Image[]> => {
  const jvm = join(runtimeFolder(), 'lib', 'server', 'libjvm.so')
  const base = [...(await librariesLayer([NODE_HERE, jvm])), ...NAMES]
  return [
    sandboxImage(base),
    ...(await Promise.all(SERVICES.map((service) => serviceImage(service, base)))),
    natsImage(),
    questdbImage(base),
    await mosquittoImage(base),
  ]
}

/** Path of the OCI archive that holds all images; made anew when anything that goes into them has changed. */
export const buildImages = async (): Promise<string> => {
  const images = await allImages()
  const name = `${await fingerprintOf(images)}.tar`
  await mkdir(CACHE, { recursive: true })
  const archive = join(CACHE, name)
  if (!existsSync(archive)) await writeImages(images, archive)
  for (const other of await readdir(CACHE)) if (!other.startsWith(name)) await rm(join(CACHE, other), { force: true })
  return archive
}
