import assert from 'node:assert/strict'
import https from 'node:https'
import { test } from 'node:test'
import { newAuthority, newServerCertificate } from '@fleetloom/shared/certificates/authority'
import { createLogger } from '@fleetloom/shared/process/logger'
import { aRule } from '../alert-rule/testing.ts'
import { newPath } from './rotation.ts'
import { serveAdmission } from './server.ts'
import { Turns } from './turns.ts'
import type { Known } from './verdict.ts'

const PATH = newPath()
const VALIDITY = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }
const authority = await newAuthority('test', VALIDITY)
const pair = await newServerCertificate(authority, ['127.0.0.1'], VALIDITY)

const review = JSON.stringify({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    ...{ uid: 'u', kind: { kind: 'AlertRule' }, name: 'warm', namespace: 'cold' },
    object: { metadata: {}, spec: aRule().spec },
  },
})

const started = async (check: Known['check'] = () => []) => {
  const known: Known = { check, fleet: async () => undefined, rules: async () => [], conflict: () => undefined }
  const server = await serveAdmission({ host: '127.0.0.1', port: 0 }, known, createLogger('test', 'silent'))
  server.use(pair, PATH)
  return server
}

type Asked = { readonly path?: string; readonly method?: string; readonly headers?: Record<string, string | number> }

/** Status and body of the answer to what `write` sends. */
const ask = (port: number, asked: Asked, write: (request: ReturnType<typeof https.request>) => void) =>
  new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const options = { host: '127.0.0.1', port, ca: authority.certificate, agent: false, method: 'POST', path: PATH }
    const request = https.request({ ...options, ...asked }, async (response) =>
      resolve({ status: response.statusCode, body: Buffer.concat(await response.toArray()).toString() }),
    )
    write(request.on('error', reject))
  })

test('who knows the path is answered', async () => {
  await using server = await started()
  const { status, body } = await ask(server.port, { path: `${PATH}?timeout=5s` }, (request) => request.end(review))
  assert.equal(status, 200)
  assert.deepEqual(JSON.parse(body).response, { uid: 'u', allowed: true })
})

test('who does not know the path is told nothing, before anything of the body was read', async () => {
  let judged = 0
  await using server = await started(() => {
    judged++
    return []
  })
  for (const path of ['/', '/validate', `${PATH}x`, PATH.slice(0, -1), PATH.toUpperCase()]) {
    const answered = await ask(server.port, { path, headers: { 'content-length': 1e6 } }, (request) =>
      request.flushHeaders(),
    )
    assert.deepEqual(answered, { status: 404, body: '{"error":"there is nothing here"}' }, path)
  }
  assert.equal((await ask(server.port, { method: 'GET' }, (request) => request.end())).status, 404)
  assert.equal(judged, 0)
})

test('a body that is too long is refused by what it says of itself, and by what comes', async () => {
  await using server = await started()
  const long = { 'content-length': 4 * 1024 * 1024 + 1 }
  assert.equal((await ask(server.port, { headers: long }, (request) => request.flushHeaders())).status, 413)
  const chunk = Buffer.alloc(1024 * 1024, 0x20)
  const answered = await ask(server.port, {}, (request) => {
    for (let i = 0; i < 4; i++) request.write(chunk)
    request.write(' ')
  })
  assert.equal(answered.status, 413)
})

test('few have a turn at once, the others wait for it or give up', async () => {
  const turns = new Turns(2)
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<number>())
  const begun: number[] = []
  const never = new AbortController().signal
  const leaving = new AbortController()
  const done = gates.map(({ promise }, i) => {
    const work = () => {
      begun.push(i)
      return promise
    }
    return turns.take(work, i === 2 ? leaving.signal : never)
  })
  await Promise.resolve()
  assert.deepEqual(begun, [0, 1])
  leaving.abort(new Error('waited too long'))
  await assert.rejects(done[2] as Promise<number>, /waited too long/)
  gates[1]?.reject(new Error('failed'))
  await assert.rejects(done[1] as Promise<number>, /failed/)
  gates[3]?.resolve(3)
  assert.equal(await done[3], 3)
  assert.deepEqual(begun, [0, 1, 3])
  gates[0]?.resolve(0)
  assert.equal(await done[0], 0)
})
