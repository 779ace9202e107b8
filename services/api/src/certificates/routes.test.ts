import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { Problem } from '../http/problem.ts'
import { RefusedCertificates } from './refused.ts'
import { isSignedList } from './revocation-list.ts'
import { deviceCaRoutes } from './routes.ts'
import { aCa, aDevice, aListed, NOW } from './testing.ts'

const HOUR_MS = 3_600_000

test('the list is signed anew when it has changed and once an hour; until then its ETag gives 304', async () => {
  const { ca, pem } = await aCa()
  const refused = new RefusedCertificates()
  let now = NOW
  const parts = { ca, refused, isCurrent: () => true, now: () => now }
  const [one, another] = [deviceCaRoutes(parts), deviceCaRoutes(parts)]
  const get = async (etag?: string, app = one) => {
    const response = await app.request('/crl', { headers: etag === undefined ? {} : { 'if-none-match': etag } })
    return { status: response.status, etag: response.headers.get('etag') ?? '', response }
  }
  const first = await get()
  assert.equal(first.status, 200)
  assert.equal(first.response.headers.get('content-type'), 'application/pkix-crl')
  const list = Buffer.from(await first.response.arrayBuffer())
  assert.equal(isSignedList(list, createPublicKey(pem.certificate)), true)
  assert.equal((await get(first.etag)).status, 304)
  assert.equal((await get(first.etag, another)).status, 304, 'from another replica')
  refused.put(aDevice({ certificates: [aListed('01')], disabled: true }))
  const second = await get(first.etag)
  assert.equal(second.status, 200)
  assert.notEqual(second.etag, first.etag)
  now = new Date(NOW.getTime() + HOUR_MS)
  assert.equal((await get(second.etag)).status, 200)
})

test('a replica that can not read the registry signs no list, nor says that a list is still the last', async () => {
  const { ca } = await aCa()
  let isCurrent = true
  const app = deviceCaRoutes({ ca, refused: new RefusedCertificates(), isCurrent: () => isCurrent, now: () => NOW })
  app.onError((error, c) => (error instanceof Problem ? c.text(error.kind, 503) : c.text(String(error), 500)))
  const etag = (await app.request('/crl')).headers.get('etag') ?? ''
  isCurrent = false
  const blind = await app.request('/crl', { headers: { 'if-none-match': etag } })
  assert.deepEqual([blind.status, await blind.text()], [503, 'unavailable'])
})
