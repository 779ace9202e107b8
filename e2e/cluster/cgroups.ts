/** A control group of one's own for a node's pods, so that two nodes on one machine don't meet. */
import { existsSync, lstatSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../kit/until.ts'

const ROOT = '/sys/fs/cgroup'
const PREFIX = 'fleetloom-'

const isFolder = (path: string): boolean => lstatSync(path).isDirectory()

/** Version 2 has one hierarchy, version 1 one per controller. */
export const hierarchies = (): string[] =>
  existsSync(join(ROOT, 'cgroup.controllers'))
    ? [ROOT]
    : readdirSync(ROOT)
        .map((name) => join(ROOT, name))
        .filter(isFolder)

const remove = (folder: string): void => {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder).map((one) => join(folder, one))) if (isFolder(name)) remove(name)
  rmdirSync(folder)
}

/** What still has processes, or what another removes at this moment, is left. */
const tryToRemove = (folder: string): void => {
  try {
    remove(folder)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (!['EBUSY', 'ENOENT'].includes(code)) throw error
  }
}

/** Groups of test processes that were killed. */
const removeAbandoned = (): void => {
  for (const hierarchy of hierarchies())
    for (const name of readdirSync(hierarchy))
      if (name.startsWith(PREFIX) && !existsSync(join('/proc', name.slice(PREFIX.length))))
        tryToRemove(join(hierarchy, name))
}

/** Makes the group in every hierarchy; `path` is as the kubelet wants it. It must be empty of processes when disposed of. */
export const makeCgroup = (): AsyncDisposable & { readonly path: string } => {
  removeAbandoned()
  const name = `${PREFIX}${process.pid}`
  const folders = hierarchies().map((hierarchy) => join(hierarchy, name))
  for (const folder of folders) mkdirSync(folder, { recursive: true })
  const removeAll = (): true => {
    for (const folder of folders) remove(folder)
    return true
  }
  return {
    path: `/${name}`,
    [Symbol.asyncDispose]: async () =>
      void (await until(removeAll, { what: `control group ${name} to be empty`, deadlineMs: 60_000 })),
  }
}
