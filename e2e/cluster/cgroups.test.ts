import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hierarchies, makeCgroup } from './cgroups.ts'

const mayMake = (): boolean => {
  try {
    for (const folder of hierarchies()) accessSync(folder, constants.W_OK)
    return process.getuid?.() === 0
  } catch {
    return false
  }
}

/** The id of a process that has ended. */
const endedPid = async (): Promise<number> => {
  const child = spawn('true')
  await once(child, 'exit')
  return child.pid as number
}

const stop = async (child: ChildProcess): Promise<void> => {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

test('an abandoned group goes, at the earliest when the last of its processes has', { skip: !mayMake() }, async () => {
  const [hierarchy = ''] = hierarchies()
  const abandoned = join(hierarchy, `fleetloom-${await endedPid()}`)
  mkdirSync(join(abandoned, 'pod'), { recursive: true })
  const sleeper = spawn('sleep', ['60'])
  try {
    writeFileSync(join(abandoned, 'pod', 'cgroup.procs'), String(sleeper.pid))
    await using _made = makeCgroup()
    assert.ok(existsSync(abandoned))
  } finally {
    await stop(sleeper)
  }
  await using _made = makeCgroup()
  assert.ok(!existsSync(abandoned))
})
