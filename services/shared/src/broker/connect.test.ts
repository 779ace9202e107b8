import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { commonConfig, readConfig } from '../process/config.ts'
import { createLogger } from '../process/logger.ts'
import { brokerConfig, connectBroker, emqxLimitsConfig, limitsOf } from './connect.ts'
import { DEFAULT_LIMITS } from './emqx/limits.ts'
import { startEmqx } from './emqx/testing/server.ts'

const log = createLogger('test', 'silent')
const schema = z.object({ ...commonConfig, ...brokerConfig('fleetloom_operator'), ...emqxLimitsConfig })
const read = (env: Record<string, string>) => readConfig(schema, env)

test('mosquitto is the broker unless another is named, and the limits of emqx have defaults', () => {
  const config = read({ MQTT_PASSWORD_FILE: '/run/secrets/mqtt' })
  assert.equal(config.broker, 'mosquitto')
  assert.equal(config.mqttUser, 'fleetloom_operator')
  assert.deepEqual(limitsOf({ ...config, brokerQueueMessages: 1_000_000 }), {
    ...DEFAULT_LIMITS,
    messagesRate: undefined,
    sessionExpiry: undefined,
  })
})

test('each broker names the variables it lacks', async () => {
  await assert.rejects(connectBroker(read({}), { log }), {
    message: 'wrong configuration: MQTT_PASSWORD_FILE: required with BROKER=mosquitto',
  })
  await assert.rejects(connectBroker(read({ BROKER: 'emqx' }), { log }), {
    message: 'wrong configuration: EMQX_API_KEY_FILE, EMQX_API_SECRET_FILE: required with BROKER=emqx',
  })
})

test('a value that EMQX would not take is refused at once', () => {
  assert.throws(() => read({ EMQX_URL: 'http://user:hunter2@emqx:18083' }), {
    message: /^(?!.*hunter2).*EMQX_API_SECRET_FILE/,
  })
  assert.throws(() => read({ EMQX_MESSAGES_RATE: 'fast' }), {
    message: /EMQX_MESSAGES_RATE="fast": must be a rate such as 100\/s/,
  })
  assert.throws(() => read({ EMQX_MAX_INFLIGHT: '70000' }), { message: /EMQX_MAX_INFLIGHT/ })
})

test('emqx is reached with the key of the files', async () => {
  await using emqx = await startEmqx()
  const folder = mkdtempSync(join(tmpdir(), 'fleetloom-emqx-'))
  try {
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), `${text}\n`)
      return join(folder, name)
    }
    const env = {
      BROKER: 'emqx',
      EMQX_URL: emqx.url,
      EMQX_API_KEY_FILE: file('key', emqx.apiKey.key),
      EMQX_API_SECRET_FILE: file('secret', emqx.apiKey.secret),
    }
    await using broker = await connectBroker(read(env), { log })
    assert.equal(broker.kind, 'emqx')
    await broker.secureDefaults()
    await broker.ping()
  } finally {
    rmSync(folder, { recursive: true })
  }
})
