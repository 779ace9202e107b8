import assert from 'node:assert/strict'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import { watchFolder } from './watch-folder.ts'

test('a folder that can not be watched is looked at all the same, and the fault is told once', async (context) => {
  const log = createLogger('test', 'silent')
  const warn = context.mock.method(log, 'warn')
  context.mock.method(fs, 'watch', () => {
    throw new Error('EMFILE: too many open files')
  })
  syncBuiltinESMExports()
  context.after(() => {
    context.mock.restoreAll()
    syncBuiltinESMExports()
  })
  const [folder, thrice] = [tmpdir(), Promise.withResolvers<void>()]
  let scans = 0
  const scan = async (): Promise<string> => {
    if (++scans === 3) thrice.resolve()
    return 'the folder'
  }
  await using watcher = watchFolder({ folder, rescanMs: 5, settleMs: 60_000, log, scan })
  await watcher.now()
  await thrice.promise
  const fault = 'EMFILE: too many open files'
  assert.deepEqual(
    warn.mock.calls.map(({ arguments: told }) => told),
    [[{ folder, rescanMs: 5, fault }, 'the folder is not watched, only looked at']],
  )
})
