/**
 * The first admin key, made once in the life of an installation.
 *
 * 1. A bucket that has ever held a key: nothing to do; keys that were removed do not come back.
 * 2. The file holds a key already (put there by hand, mounted, or left by a start that ended before 3): that one is taken. Else a
 *    new one is written to it, exclusively, for its owner's eyes only.
 * 3. The key is created under a fixed id. Of several replicas that start at once one succeeds; the others remove the file
 *    they made, unless it is the one that succeeded who took the key in it (they share the file).
 */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, rm, writeFile } from 'node:fs/promises'
import type { Logger } from '@fleetloom/shared/process/logger'
import { readSecret } from '@fleetloom/shared/process/read-secret'
import { newSecret } from '@fleetloom/shared/registry/secret'
import { parseToken, type Token, tokenText } from './key.ts'
import type { KeyScope, Keys } from './store.ts'

const FIRST_ID = 'first'
const ADMIN: KeyScope = { name: 'first admin key', namespaces: ['*'], verbs: ['*'] }

export const makeFirstKey = async (store: Keys, file: string | undefined, log: Logger): Promise<void> => {
  if (!(await store.isUnused())) return
  if (file === undefined)
    return log.warn('there is no key and ADMIN_KEY_FILE is not set: every request will be refused')
  const made = existsSync(file) ? undefined : await writeNew(file)
  const token = made ?? (await readExisting(file))
  if (await store.create(ADMIN, token)) return log.info({ file }, 'made the first admin key')
  if (made !== undefined && (await store.authenticate(tokenText(made))) === undefined) await rm(file)
  log.info('another replica made the first admin key')
}

/** A new key in a new file, which is never seen half written; undefined when the file exists. */
const writeNew = async (file: string): Promise<Token | undefined> => {
  const token = { id: FIRST_ID, secret: newSecret() }
  const draft = `${file}.${randomUUID()}`
  try {
    await writeFile(draft, `${tokenText(token)}\n`, { mode: 0o600, flag: 'wx' })
    await link(draft, file)
    return token
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

const readExisting = async (file: string): Promise<Token> => {
  const token = parseToken(await readSecret(file))
  if (token === undefined)
    throw new Error(`ADMIN_KEY_FILE=${file} exists and holds no key: remove it, or put flk_${FIRST_ID}_<secret> there`)
  return token
}
