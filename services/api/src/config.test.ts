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

test('a device CA is a certificate and a key, or neither', () => {
  const env = { MQTT_PASSWORD_FILE: '/p' }
  const only = (more: object) => () => readConfig(apiConfig, { ...env, ...more })
  assert.equal(readConfig(apiConfig, env).deviceCertificateDays, 90)
  assert.throws(only({ DEVICE_CA_CERT_FILE: '/c' }), /DEVICE_CA_KEY_FILE: is required/)
  assert.throws(only({ DEVICE_CA_KEY_FILE: '/k' }), /DEVICE_CA_KEY_FILE="\/k": is needed with DEVICE_CA_CERT_FILE/)
  assert.throws(only({ DEVICE_CERTIFICATE_DAYS: '826' }), /DEVICE_CERTIFICATE_DAYS="826"/)
  assert.throws(only({ DEVICE_CRL_URL: 'ldap://x' }), /DEVICE_CRL_URL/)
})
