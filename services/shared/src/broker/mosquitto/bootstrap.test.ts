import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dynamicSecurityFile, mosquittoConf } from './bootstrap.ts'

const SALT = new Uint8Array(12).fill(7)

test('the first file denies by default and gives each administrator the least it needs', () => {
  const admins = [{ username: 'fleetloom_api', role: 'api', password: 'secret', salt: SALT } as const]
  const file = JSON.parse(dynamicSecurityFile(admins))
  const { textname, password, ...client } = file.clients[0]
  assert.equal(textname, "Fleetloom's own (api)")
  assert.equal(Buffer.from(password, 'base64').length, 64)
  assert.deepEqual(client, {
    username: 'fleetloom_api',
    clientid: 'fleetloom_api',
    roles: [{ rolename: 'fleetloom-api' }],
    salt: Buffer.from(SALT).toString('base64'),
    iterations: 101,
  })
  assert.deepEqual(file.defaultACLAccess, {
    publishClientSend: false,
    publishClientReceive: false,
    subscribe: false,
    unsubscribe: true,
  })
  assert.deepEqual(file.roles.find((role: { rolename: string }) => role.rolename === 'fleetloom-api').acls, [
    { acltype: 'publishClientSend', topic: '$CONTROL/dynamic-security/v1', allow: true },
    { acltype: 'subscribePattern', topic: '$CONTROL/dynamic-security/v1/response', allow: true },
    { acltype: 'publishClientReceive', topic: '$CONTROL/dynamic-security/v1/response', allow: true },
  ])
})

test('the same input makes the same file, and no password stands in it', () => {
  const admins = [{ username: 'a', role: 'operator', password: 'a-secret', salt: SALT } as const]
  assert.equal(dynamicSecurityFile(admins), dynamicSecurityFile(admins))
  assert.equal(dynamicSecurityFile(admins).includes('a-secret'), false)
})

test('a salt of another length is refused, because Mosquitto would read past it', () => {
  const admin = { username: 'a', role: 'api', password: 'p', salt: new Uint8Array(8) } as const
  assert.throws(() => dynamicSecurityFile([admin]), /salt of a must have 12 bytes/)
})

test('the configuration binds the address given and closes what is open by default', () => {
  const conf = mosquittoConf({ host: '127.0.0.1', port: 1883, plugin: '/p.so', directory: '/d' }).split('\n')
  for (const line of [
    'listener 1883 127.0.0.1',
    'allow_anonymous false',
    'use_username_as_clientid true',
    'plugin /p.so',
    'plugin_opt_config_file /d/dynamic-security.json',
    'persistence_location /d/',
    'autosave_interval 5',
  ])
    assert.ok(conf.includes(line), line)
})

test('a listener for certificates takes the name from the certificate and refuses what is revoked', () => {
  const place = { host: '127.0.0.1', port: 1883, plugin: '/p.so', directory: '/d' }
  const files = { deviceCaFile: '/ca', revocationListFile: '/crl', certFile: '/cert', keyFile: '/key' }
  const conf = mosquittoConf({ ...place, certificates: { port: 8883, ...files } })
  const listener = conf.slice(conf.indexOf('listener 8883')).split('\n\n')[0]?.split('\n')
  assert.deepEqual(
    listener?.filter((line) => !line.startsWith('#')),
    [
      'listener 8883 127.0.0.1',
      'require_certificate true',
      'use_identity_as_username true',
      'use_username_as_clientid true',
      'cafile /ca',
      'crlfile /crl',
      'certfile /cert',
      'keyfile /key',
      'pid_file /d/mosquitto.pid',
    ],
  )
  assert.equal(mosquittoConf(place).includes('require_certificate'), false)
})
