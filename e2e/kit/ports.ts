/**
 * Ports that stay ours. They lie below the range from which the kernel gives ports to outgoing connections, so that nobody
 * takes one while its server is down between `kill` and `start`; and each is claimed by a file with our pid, so that tests
 * in other processes choose others.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FIRST = 12_000
const COUNT = 18_000
const CLAIMS = join(tmpdir(), 'fleetloom-ports')
const claimed = new Set<string>()

/** Whether nobody listens on the port on loopback. */
export const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)))
  })

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const claim = (port: number): boolean => {
  const file = join(CLAIMS, String(port))
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    claimed.add(file)
    return true
  } catch {
    release(file)
    return false
  }
}

/** Gives a dead process's port back, for the next to take. */
const release = (file: string): void => {
  try {
    if (!isAlive(Number(readFileSync(file, 'utf8')))) rmSync(file, { force: true })
  } catch {
    // Another process has just given it back.
  }
}

/** A port on loopback that is free now and is given to nobody else while this process lives. */
export const freePort = async (): Promise<number> => {
  mkdirSync(CLAIMS, { recursive: true })
  for (let tries = 0; tries < 1_000; tries++) {
    const port = FIRST + Math.floor(Math.random() * COUNT)
    if (claim(port) && (await isFree(port))) return port
  }
  throw new Error(`no free port between ${FIRST} and ${FIRST + COUNT}; "make clean" gives claimed ones back`)
}

process.once('exit', () => {
  for (const file of claimed) rmSync(file, { force: true })
})
