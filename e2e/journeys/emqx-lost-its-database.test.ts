/**
 * EMQX's stand-in carries no MQTT, so this goes as far as the accounts: operator and api administer it by configuration alone, and what
 * it loses comes back from the registry. Ingest's messages go over Mosquitto, where the test makes its account.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { connectTo } from '@fleetloom/shared/broker/emqx/testing/adapter'
import { type EmqxStandIn, startEmqx } from '@fleetloom/shared/broker/emqx/testing/server'
import { connectMosquitto } from '@fleetloom/shared/broker/mosquitto/mosquitto'
import { sessionPassword } from '@fleetloom/shared/broker/session-password'
import { createLogger } from '@fleetloom/shared/process/logger'
import { HASH_ITERATIONS, verifySecret } from '@fleetloom/shared/registry/secret'
import { type Device, devicesPath } from '../kit/api-client.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { secretFile } from '../kit/secret-file.ts'
import { tempDir } from '../kit/temp.ts'
import { until } from '../kit/until.ts'
import { FLEET, manifest, names } from './operator-under-test.ts'

const envOf = (emqx: EmqxStandIn, folder: string): Record<string, string> => ({
  BROKER: 'emqx',
  EMQX_URL: emqx.url,
  EMQX_API_KEY_FILE: secretFile(join(folder, 'key'), () => emqx.apiKey.key).file,
  EMQX_API_SECRET_FILE: secretFile(join(folder, 'secret'), () => emqx.apiKey.secret).file,
})

const base64 = (text: string, encoding: 'hex' | 'utf8'): string => Buffer.from(text, encoding).toString('base64')

/** What decides whether a device gets in with its password, and what it may do then. */
const accountOf = ({ state }: EmqxStandIn, { username, password }: Device) => {
  const { password_hash = '', salt = '' } = state.users.get(username) ?? {}
  const hash = { iterations: HASH_ITERATIONS, hash: base64(password_hash, 'hex'), salt: base64(salt, 'utf8') }
  return {
    knowsPassword: verifySecret(password, hash),
    rules: state.userRules.get(username)?.rules,
    isBanned: state.bans.some(({ who }) => who === username),
  }
}

const SESSION = names.ingestUser(FLEET)

/** The account that the operator made at EMQX, at the broker that ingest talks to. */
const letIngestIn = async (emqx: EmqxStandIn, { mosquitto, adminKeyFile }: Platform): Promise<void> => {
  await using made = connectTo(emqx)
  const account = await until(async () => (await made.list()).get(SESSION), { what: 'the account of the session' })
  const plain = sessionPassword(readFileSync(join(dirname(adminKeyFile), 'platform-key')), SESSION)
  const { username, value: password } = mosquitto.admins.test
  const log = createLogger('test', 'error')
  await using broker = connectMosquitto({ url: mosquitto.url, username, password, installation: 'fleetloom', log })
  assert.deepEqual(await broker.put([{ ...account, secret: { plain } }]), [{ username: SESSION }])
}

/** Ten thousand devices are back within a minute; the short form takes fewer in the same time. */
const COUNT = process.env.FLEETLOOM_FULL === '1' ? 10_000 : 2_000

test(`EMQX loses its whole database and gets ${COUNT} devices back, disabled ones disabled, behind closed doors`, async (t) => {
  await using stack = new AsyncDisposableStack()
  const emqx = stack.use(await startEmqx())
  const env = envOf(emqx, stack.use(tempDir('emqx')).path)
  const platform = stack.use(
    await startPlatform({
      manifests: { 'reefers.yaml': manifest() },
      env: { operator: { ...env, RESYNC_MS: '2000' }, api: env },
    }),
  )
  await letIngestIn(emqx, platform)
  await platform.untilReady(FLEET)
  const devices = await Promise.all(['a', 'b', 'off'].map((device) => platform.register(FLEET, device)))
  await platform.call('POST', `${devicesPath(FLEET)}/off/disable`)
  const rest = Array.from({ length: COUNT - devices.length }, (_, i) => `device-${i}`)
  await platform.registerAll(FLEET, rest)
  const before = devices.map((device) => accountOf(emqx, device))
  assert.deepEqual(
    before.map(({ knowsPassword, isBanned }) => [knowsPassword, isBanned]),
    [
      [true, false],
      [true, false],
      [true, true],
    ],
  )
  const held = [...emqx.state.users.keys()].sort()
  assert.deepEqual(held.filter((user) => user.startsWith('fleetloom_')).sort(), [names.alerterUser, SESSION].sort())
  assert.equal(held.length, COUNT + 2)
  emqx.loseDatabase()
  const lostAtMs = performance.now()
  const isBack = () =>
    emqx.state.users.size === held.length &&
    emqx.state.userRules.size === held.length &&
    isDeepStrictEqual(
      devices.map((device) => accountOf(emqx, device)),
      before,
    )
  await until(isBack, { what: 'the devices to be back', deadlineMs: 60_000 })
  t.diagnostic(`${COUNT} devices are back after ${Math.round(performance.now() - lostAtMs)} ms`)
  assert.deepEqual([...emqx.state.users.keys()].sort(), held)
  assert.equal(emqx.state.settings.no_match, 'deny')
  assert.equal(emqx.state.authenticators[0]?.enable, true)
})
