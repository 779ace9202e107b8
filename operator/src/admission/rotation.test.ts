import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import { Keeper } from './certificates.ts'
import { serverNames, trustPatch, type WebhookConfiguration } from './kube-objects.ts'
import {
  type Authority,
  authorityOf,
  bundleOf,
  isAging,
  newAdmissionAuthority,
  newPath,
  secretDataOf,
  serverCertificates,
  succeeded,
} from './rotation.ts'

const DAY_MS = 24 * 3_600_000
const START = Date.parse('2026-01-01T00:00:00Z')
const first = await newAdmissionAuthority(START)
const second = await newAdmissionAuthority(START + 300 * DAY_MS)
const PATH = newPath()
const NAMES = ['fleetloom-operator-webhook.fleetloom.svc', '127.0.0.1']

const subjects = (bundle: string): string[] =>
  bundle.split(/(?<=-----END CERTIFICATE-----\n)/).map((pem) => new X509Certificate(pem).fingerprint)
const print = ({ certificate }: { readonly certificate: string }) => new X509Certificate(certificate).fingerprint
const encoded = (data: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]))

test('an authority is due after two thirds of its year, a server certificate after two thirds of its month', async () => {
  assert.equal(isAging(first.certificate, START + 242 * DAY_MS), false)
  assert.equal(isAging(first.certificate, START + 244 * DAY_MS), true)
  const certificateOf = serverCertificates()
  const pair = await certificateOf(first, NAMES, START)
  const shown = new X509Certificate(pair.certificate)
  assert.ok(shown.verify(new X509Certificate(first.certificate).publicKey))
  assert.ok(NAMES[0] && shown.checkHost(NAMES[0]))
  assert.ok(shown.checkIP('127.0.0.1'))
  assert.equal(await certificateOf(first, NAMES, START + 19 * DAY_MS), pair)
  assert.notEqual(await certificateOf(first, NAMES, START + 21 * DAY_MS), pair)
  assert.notEqual(await certificateOf(second, NAMES, START), pair)
})

test('the bundle holds the successor before it is used and the one before until it has ended', () => {
  const authority: Authority = { current: first, path: PATH }
  assert.deepEqual(subjects(bundleOf(authority, undefined, START)), [print(first)])
  assert.deepEqual(subjects(bundleOf(authority, second, START)), [print(second), print(first)])
  const next = succeeded(authority, second)
  assert.deepEqual(subjects(bundleOf(next, undefined, START + 301 * DAY_MS)), [print(second), print(first)])
  assert.deepEqual(subjects(bundleOf(next, undefined, START + 366 * DAY_MS)), [print(second)])
})

test('a Secret gives back what was put, and nothing where it holds nothing that can be used', () => {
  const authority = succeeded({ current: first, path: PATH }, second)
  const data = encoded(secretDataOf(authority))
  assert.deepEqual(authorityOf(data, START), authority)
  assert.equal(authority.path, PATH, 'a replaced authority keeps the path')
  assert.equal(authorityOf({}, START), undefined)
  for (const path of ['', '/validate', `${PATH}/`])
    assert.equal(authorityOf({ ...data, ...encoded({ path }) }, START)?.path, '')
  assert.equal(authorityOf({ ...data, 'ca.crt': 'eA==' }, START), undefined)
  assert.equal(authorityOf(data, START + 700 * DAY_MS), undefined)
})

const configuration = (caBundle?: string, path?: string): WebhookConfiguration => ({
  webhooks: [
    {
      name: 'a',
      clientConfig: {
        service: { namespace: 'ns', name: 'hook', ...(path !== undefined && { path }) },
        ...(caBundle !== undefined && { caBundle }),
      },
    },
    { name: 'b', clientConfig: { url: 'https://[::1]:9443/validate' } },
  ],
})

test('names are those of the configuration, and only what differs is patched', () => {
  assert.deepEqual(serverNames(configuration()), ['::1', 'hook.ns.svc'])
  const trust = { bundle: 'x', path: PATH }
  const second = [
    { op: 'test', path: '/webhooks/1/name', value: 'b' },
    { op: 'add', path: '/webhooks/1/clientConfig/caBundle', value: 'eA==' },
    { op: 'add', path: '/webhooks/1/clientConfig/url', value: `https://[::1]:9443${PATH}` },
  ]
  assert.deepEqual(trustPatch(configuration('eA==', PATH), trust), second)
  assert.deepEqual(trustPatch(configuration('eA=='), trust), [
    { op: 'test', path: '/webhooks/0/name', value: 'a' },
    { op: 'add', path: '/webhooks/0/clientConfig/service/path', value: PATH },
    ...second,
  ])
})

/** A keeper on objects in memory, with a clock that the test moves. */
const aKeeper = (leads: boolean, secret: { authority: Authority | undefined }) => {
  const state = { now: START, bundle: '', shown: '', path: '', writes: [] as string[], isAsked: true }
  const keeper = new Keeper({
    secret: {
      read: async () => ({ authority: secret.authority, secret: { metadata: {} } }),
      write: async (authority) => {
        state.writes.push('secret')
        secret.authority = authority
      },
    },
    configuration: {
      read: async () => (state.isAsked ? configuration() : undefined),
      trust: async (_, { bundle, path }) => {
        if (bundle !== state.bundle || path !== secret.authority?.path) state.writes.push('bundle')
        state.bundle = bundle
      },
    },
    ...{ leads: () => leads, use: ({ certificate }, path) => Object.assign(state, { shown: certificate, path }) },
    ...{ log: createLogger('test', 'fatal'), now: () => state.now },
  })
  return { keeper, state }
}

const isSignedBy = (certificate: string, { certificate: ca }: { readonly certificate: string }): boolean =>
  new X509Certificate(certificate).verify(new X509Certificate(ca).publicKey)

test('the leader trusts a successor first, uses it only after a while, and changes nothing otherwise', async () => {
  const secret: { authority: Authority | undefined } = { authority: undefined }
  const { keeper, state } = aKeeper(true, secret)
  await keeper.look()
  assert.deepEqual(state.writes.splice(0), ['secret', 'bundle'])
  const begun = secret.authority?.current ?? first
  const { path } = state
  assert.ok(path && path === secret.authority?.path)
  await keeper.look()
  assert.deepEqual(state.writes, [])

  state.now = START + 250 * DAY_MS
  await keeper.look()
  assert.deepEqual(state.writes.splice(0), ['bundle'])
  assert.equal(subjects(state.bundle).length, 2)
  assert.ok(isSignedBy(state.shown, begun), 'the successor is not used yet')
  state.now += 9_000
  await keeper.look()
  assert.deepEqual(state.writes, [])
  state.now += 2_000
  await keeper.look()
  assert.deepEqual(state.writes.splice(0), ['secret'])
  assert.notEqual(secret.authority?.current, begun)
  assert.ok(secret.authority && isSignedBy(state.shown, secret.authority.current))
  assert.deepEqual([secret.authority.path, state.path], [path, path], 'the path stays')
  await keeper.look()
  assert.equal(subjects(state.bundle).length, 2, 'the earlier one is trusted on')
})

test('a replica that does not lead shows a certificate of the authority there is, and writes nothing', async () => {
  const secret: { authority: Authority | undefined } = { authority: undefined }
  const { keeper, state } = aKeeper(false, secret)
  await keeper.look()
  assert.equal(state.shown, '')
  assert.throws(() => keeper.ping(), /no certificate yet/)
  secret.authority = { current: first, path: '' }
  await keeper.look()
  assert.equal(state.shown, '', 'not before there is a path')
  secret.authority = { current: first, path: PATH }
  await keeper.look()
  assert.ok(isSignedBy(state.shown, first))
  keeper.ping()
  assert.deepEqual(state.writes, [])
})

test('where nobody asks for reviews no certificate is missed', async () => {
  const { keeper, state } = aKeeper(true, { authority: undefined })
  assert.throws(() => keeper.ping(), 'nothing is known before the first look')
  state.isAsked = false
  await keeper.look()
  keeper.ping()
  assert.deepEqual(state.writes, [])
})

test('a Secret without a path is given one, and keeps its authority', async () => {
  const secret: { authority: Authority | undefined } = { authority: { current: first, path: '' } }
  const { keeper, state } = aKeeper(true, secret)
  await keeper.look()
  assert.ok(isSignedBy(state.shown, first))
  assert.match(state.path, /^\/validate\/[0-9a-f]{64}$/)
  assert.equal(secret.authority?.path, state.path)
})
