/** Reading a folder of manifests: the `.yaml`, `.yml` and `.json` files in it, not those of folders below it. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ManifestFile } from './manifests.ts'
import type { Refusal } from './source.ts'

/** The YAML parser compares each key of a map with all others: 256 KiB of one map take it a second, 1 MiB fourteen. */
export const MAX_MANIFEST_BYTES = 256 * 1024

export type FolderReading = {
  readonly files: readonly ManifestFile[]
  readonly refusals: readonly Refusal[]
  /** Tells this folder from another that may be found under its path later. */
  readonly identity: string
  /** Whether there is nothing at all in it, as in a mount point without its mount. */
  readonly empty: boolean
}

const isManifest = (name: string): boolean => /\.(ya?ml|json)$/.test(name) && !name.startsWith('.')

const whole = (file: string, message: string): Refusal => ({ file, line: 1, field: '', message })

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const readManifest = async (folder: string, file: string): Promise<ManifestFile | Refusal | undefined> => {
  try {
    const { size, isFile } = await stat(join(folder, file)).then((found) => ({
      size: found.size,
      isFile: found.isFile(),
    }))
    if (!isFile) return undefined
    if (size > MAX_MANIFEST_BYTES)
      return whole(file, `is larger than ${MAX_MANIFEST_BYTES} bytes; part it into several files`)
    return { file, text: await readFile(join(folder, file), 'utf8') }
  } catch (error) {
    return whole(file, `can't be read: ${reasonOf(error)}`)
  }
}

/** Everything in the folder. Never throws: what can't be read is a refusal without a resource, so nothing is removed. */
export const readFolder = async (folder: string): Promise<FolderReading> => {
  try {
    const [names, { dev, ino }] = await Promise.all([readdir(folder), stat(folder)])
    const read = await Promise.all(
      names
        .filter(isManifest)
        .sort()
        .map((name) => readManifest(folder, name)),
    )
    return {
      files: read.filter((one): one is ManifestFile => one !== undefined && 'text' in one),
      refusals: read.filter((one): one is Refusal => one !== undefined && 'message' in one),
      identity: `${dev}:${ino}`,
      empty: names.length === 0,
    }
  } catch (error) {
    const refusal = whole(folder, `can't be read: ${reasonOf(error)}; nothing is changed or removed`)
    return { files: [], refusals: [refusal], identity: '', empty: true }
  }
}
