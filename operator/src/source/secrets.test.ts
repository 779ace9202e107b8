import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { secretFiles } from './secrets.ts'

const folder = mkdtempSync(join(tmpdir(), 'secrets-'))
after(() => rmSync(folder, { recursive: true }))

const HOOK = { namespace: 'cold', name: 'hook' }
const put = (text: string): void => {
  mkdirSync(join(folder, 'cold', 'hook'), { recursive: true })
  writeFileSync(join(folder, 'cold', 'hook', 'key'), text)
}

test('a secret is its file without the newline that an editor leaves', async () => {
  const read = secretFiles(folder)
  assert.deepEqual(await read(HOOK), { fault: 'there is no file cold/hook/key below --secrets; put the secret there' })
  put('hush\n')
  assert.deepEqual(await read(HOOK), { value: Buffer.from('hush') })
  put('hush')
  assert.deepEqual(await read(HOOK), { value: Buffer.from('hush') })
  put('\n')
  assert.match(JSON.stringify(await read(HOOK)), /is empty; put the text that signs the posts there/)
})

test('without a folder it is said how to name one', async () => {
  assert.match(
    JSON.stringify(await secretFiles(undefined)(HOOK)),
    /secret cold\/hook can't be read: start the operator with --secrets DIR/,
  )
})
