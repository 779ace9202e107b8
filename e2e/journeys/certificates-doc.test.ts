/** The commands of docs/devices.md about certificates, run as they stand. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { startPlatform } from '../kit/platform.ts'
import { tempDir } from '../kit/temp.ts'
import { until } from '../kit/until.ts'
import { ROOT } from '../tools/paths.ts'
import { run } from '../tools/run.ts'

const FLEET = `
apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: {name: trucks, namespace: coldchain}
spec:
  authentication: {mode: Certificate}
  measurements: [{name: temperature, type: Double}]
`

const commands = (): string[] => {
  const doc = readFileSync(join(ROOT, 'docs', 'devices.md'), 'utf8')
  const section = doc.split('\n## With a certificate\n')[1]?.split('\n## ')[0] ?? ''
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)]
    .map(([, code = '']) => code)
    .filter((code) => !code.startsWith('export'))
}

test('register, sign, publish and revoke work as the page says, and the reading is in the table', async () => {
  await using platform = await startPlatform({ certificates: true, manifests: { 'trucks.yaml': FLEET } })
  await using folder = tempDir('doc')
  await platform.untilReady({ namespace: 'coldchain', name: 'trucks' })
  const { host, tls } = platform.mosquitto
  assert.ok(tls)
  const shell = (command: string) =>
    run('bash', ['-euo', 'pipefail', '-c', `cd '${folder.path}' && ${command}`], {
      PATH: [dirname(process.execPath), process.env.PATH].join(':'),
      API: platform.api.url,
      KEY: readFileSync(platform.adminKeyFile, 'utf8').trim(),
      BROKER_HOST: host,
      BROKER_TLS_PORT: String(tls.port),
      BROKER_CA: tls.caFile,
    })
  const [enrol = '', publish = '', revoke = ''] = commands()
  for (const command of [enrol, publish]) {
    const { code, output } = await shell(command)
    assert.equal(code, 0, `${command}\n${output}`)
  }
  await until(async () => (await platform.sql('select * from coldchain_trucks where temperature = 4.2')).length === 1, {
    what: 'the row',
    deadlineMs: 20_000,
  })
  const revoked = await shell(revoke)
  assert.equal(revoked.code, 0, revoked.output)
  await until(async () => (await shell(publish)).code !== 0, { what: 'the certificate to be refused' })
})
