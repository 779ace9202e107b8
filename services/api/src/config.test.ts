import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '@fleetloom/shared/process/config'
import { apiConfig } from './config.ts'

test('a password in a URL is refused, and not repeated', () => {
  const env = {
    MQTT_URL: 'mqtt://user:hunter2@broker:1883',
    NATS_URL: 'nats://one:4222,nats://user:hunter2@two:4222',
    MQTT_PASSWORD_FILE: '/run/secrets/mqtt',
  }
  assert.throws(() => readConfig(apiConfig, env), {
    message:
      'wrong configuration: NATS_URL="nats://one:4222,nats://…@two:4222": holds a password, which belongs into NATS_PASSWORD_FILE; ' +
      'MQTT_URL="mqtt://…@broker:1883": holds a password, which belongs into MQTT_PASSWORD_FILE',
  })
})
