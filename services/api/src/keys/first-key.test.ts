import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import { makeFirstKey } from './first-key.ts'
import type { Keys } from './store.ts'

const directory = mkdtempSync(join(tmpdir(), 'fleetloom-first-key-'))
after(() => rmSync(directory, { recursive: true }))

/** Another replica was quicker: the key in force is what `inForce` gives then. */
const startBehind = async (file: string, inForce: () => string): Promise<void> => {
  const store = {
    isUnused: async () => true,
    create: async () => undefined,
    authenticate: async (text: string) => (text === inForce() ? { id: 'first' } : undefined),
  }
  await makeFirstKey(store as unknown as Keys, file, createLogger('test', 'silent'))
}

test('the file of a key that was not taken is removed', async () => {
  const file = join(directory, 'lost')
  await startBehind(file, () => 'flk_first_another')
  assert.equal(existsSync(file), false)
})

test('the file of the key in force stays, whoever made it', async () => {
  const file = join(directory, 'shared')
  await startBehind(file, () => readFileSync(file, 'utf8').trim())
  assert.match(readFileSync(file, 'utf8'), /^flk_first_/)
})
