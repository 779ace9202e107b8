import assert from 'node:assert/strict'
import https from 'node:https'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { newAuthority, newServerCertificate } from '@fleetloom/shared/certificates/authority'
import { createLogger } from '@fleetloom/shared/process/logger'
import { aRule } from '../alert-rule/testing.ts'
import { newPath } from './rotation.ts'
import { serveAdmission } from './server.ts'
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

const started = async (around: Partial<Known> = {}) => {
  const nothing: Known = {
    ...{ check: () => [], fleet: async () => undefined, rules: async () => [], conflict: () => undefined },
  }
  const known = { ...nothing, ...around }
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
  await using server = await started({
    check: () => {
      judged++
      return []
    },
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

test('few reviews are judged at once, and the others have their turn when those are done', {
  timeout: 10_000,
}, async () => {
  const gate = Promise.withResolvers<undefined>()
  let begun = 0
  await using server = await started({
    fleet: () => {
      begun++
      return gate.promise
    },
  })
  const reached = new Set<string>()
  const answers = Array.from({ length: 12 }, (_, i) =>
    ask(server.port, {}, (request) => request.end(review, () => reached.add(`${i}`))),
  )
  while (reached.size < 12 || begun < 8) await setImmediate()
  assert.deepEqual((await ask(server.port, { method: 'GET' }, (request) => request.end())).status, 404)
  const atOnce = begun
  gate.resolve(undefined)
  assert.deepEqual(new Set((await Promise.all(answers)).map(({ status }) => status)), new Set([200]))
  assert.deepEqual([atOnce, begun], [8, 12])
})
