import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hangUp, refreshListFile } from './list-file.ts'
import { listPem } from './revocation-list.ts'
import { aCa, NOW } from './testing.ts'

type Answer = { readonly status: number; readonly body?: Buffer; readonly etag?: string }

test('only a list that the CA signed gets into the file, whole; whatever else comes leaves it as it was', async () => {
  const { ca, pem } = await aCa()
  const forger = await aCa()
  let answer: Answer = { status: 503 }
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.headers['if-none-match'])
    response.writeHead(answer.status, answer.etag === undefined ? {} : { etag: answer.etag }).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const directory = await mkdtemp(join(tmpdir(), 'fleetloom-list-'))
  const file = join(directory, 'device-ca.crl')
  let reloads = 0
  const list = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/crl`,
    file,
    key: createPublicKey(pem.certificate),
    reload: async () => void reloads++,
  }
  try {
    await writeFile(file, 'before')
    const refused: [Answer, RegExp][] = [
      [{ status: 503 }, /answers 503/],
      [{ status: 200, body: Buffer.from('<html>') }, /no revocation list that the device CA signed/],
      [{ status: 200, body: forger.ca.revocationList([], NOW) }, /no revocation list that the device CA signed/],
    ]
    for (const [given, pattern] of refused) {
      answer = given
      await assert.rejects(refreshListFile(list, undefined), pattern)
    }
    assert.deepEqual([await readFile(file, 'utf8'), reloads], ['before', 0])

    const der = ca.revocationList([{ serial: '01', since: NOW, reason: 'unspecified' }], NOW)
    answer = { status: 200, body: der, etag: '"1"' }
    assert.equal(await refreshListFile(list, undefined), '"1"')
    assert.deepEqual([await readFile(file, 'utf8'), reloads], [listPem(der), 1])
    assert.deepEqual(await readdir(directory), ['device-ca.crl'])
    answer = { status: 304 }
    assert.equal(await refreshListFile(list, '"1"'), '"1"')
    assert.deepEqual([asked.at(-1), reloads], ['"1"', 1])
  } finally {
    server.close()
    server.closeAllConnections()
    await rm(directory, { recursive: true })
  }
})

test('a file without a process id sends no signal: 0 and -1 would be whole groups of processes', async (t) => {
  const killed = t.mock.method(process, 'kill', () => true)
  const directory = await mkdtemp(join(tmpdir(), 'fleetloom-pid-'))
  const file = join(directory, 'pid')
  try {
    for (const text of ['', '\n', '0', '-1', '12x', '1e3']) {
      await writeFile(file, text)
      await assert.rejects(hangUp(file), /holds no process id/, JSON.stringify(text))
    }
    assert.equal(killed.mock.callCount(), 0)
    await writeFile(file, '4321\n')
    await hangUp(file)
    assert.deepEqual(killed.mock.calls[0]?.arguments, [4321, 'SIGHUP'])
  } finally {
    await rm(directory, { recursive: true })
  }
})
