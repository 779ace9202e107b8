/** Things changed by hand are put right, with the difference in an event. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topicClaimKey } from '@fleetloom/crds/names'
import { until } from '../kit/until.ts'
import { columnsOf, FILE, FLEET, manifest, names, STREAM, startOperatorPlatform, TABLE } from './operator-under-test.ts'

const USER = 'cold.r-1'

test('whatever is changed by hand is put right and told', async () => {
  await using stack = new AsyncDisposableStack()
  const platform = await startOperatorPlatform(stack, { manifests: { [FILE]: manifest() } })
  const { admin, accounts, sql } = platform
  await platform.untilReady(FLEET)
  await platform.register(FLEET, 'r-1')
  const wanted = await until(async () => (await accounts.list()).get(USER), { what: 'the device to have an account' })
  const repairs = async (act: () => Promise<unknown>, message: RegExp) => {
    const before = await platform.events()
    await act()
    await platform.untilTold('Repaired', message, before)
  }

  await repairs(() => sql(`ALTER TABLE "${TABLE}" DROP COLUMN temperature`), /database: column temperature DOUBLE/)
  await until(async () => (await columnsOf(platform, TABLE)).includes('temperature'), { what: 'the column' })
  await platform.untilTold(
    'Repaired',
    /rollup cold_reefers_1m_g2: cold_reefers_1m is invalid \(drop column operation\)/,
  )

  await repairs(() => sql(`ALTER TABLE "${TABLE}" SET TTL 1 DAY`), /ttl 24h → 720h/)
  await repairs(() => sql(`ALTER TABLE "${TABLE}" DEDUP DISABLE`), /dedup keys none → ts, device, digest/)
  await repairs(() => sql(`DROP TABLE "${TABLE}"`), /table cold_reefers/)
  assert.deepEqual(await columnsOf(platform, TABLE), ['ts', 'device', 'digest', 'temperature'])

  await repairs(() => admin.jsm.streams.update(STREAM, { max_bytes: 1_000_000 }), /max_bytes 1000000 → 16777216/)
  await repairs(() => admin.jsm.consumers.delete(STREAM, 'writer'), /consumer writer of stream fleet_cold_reefers$/)
  await repairs(() => admin.jsm.streams.delete(STREAM), /stream: stream fleet_cold_reefers; consumer writer/)

  const tooMuch = { publish: ['#'], subscribe: [] }
  await repairs(() => accounts.setAcl([{ username: USER, acl: tooMuch }]), /cold\.r-1: .*publish # is too much/)
  assert.deepEqual((await accounts.list()).get(USER), wanted)
  const ingest = names.ingestUser(FLEET)
  await repairs(() => accounts.remove([ingest]), new RegExp(`account ${ingest}`))
  await until(async () => (await accounts.list()).has(ingest), { what: "ingest's account" })

  const kv = await admin.bucket(names.buckets.pipeline)
  await kv.delete('fleet.cold.reefers')
  await until(async () => (await kv.get('fleet.cold.reefers'))?.operation === 'PUT', {
    what: 'the document',
    deadlineMs: 15_000,
  })
  const claim = topicClaimKey('fleets/cold/reefers/+/telemetry')
  await repairs(() => kv.delete(claim), /claim on fleets\/cold\/reefers\/\+\/telemetry/)
  await platform.untilReady(FLEET)

  const isAtRest = async () => {
    const [looked, wrote] = [await platform.looks(), await platform.writes()]
    await until(async () => (await platform.looks()) >= looked + 3, { what: 'three looks', everyMs: 200 })
    return (await platform.writes()) === wrote
  }
  await until(isAtRest, { what: 'nothing more to be written', deadlineMs: 60_000 })
  const metrics = await (await fetch(`${platform.operator.url}/metrics`)).text()
  assert.match(metrics, /fleetloom_operator_repairs_total\{target="database"\} [1-9]/)
})

test('a device whose account is lost is named, with the way out, and a disabled one stays disabled', async () => {
  await using stack = new AsyncDisposableStack()
  const platform = await startOperatorPlatform(stack, { manifests: { [FILE]: manifest() } })
  await platform.untilReady(FLEET)
  await platform.register(FLEET, 'r-1')
  await platform.register(FLEET, 'r-2')
  await platform.call('POST', '/v1/namespaces/cold/fleets/reefers/devices/r-2/disable')
  await platform.accounts.setDisabled('cold.r-2', false)
  await until(async () => (await platform.accounts.list()).get('cold.r-2')?.disabled, {
    what: 'r-2 to be disabled again',
  })
  await platform.accounts.remove([USER])
  const said = await until(
    async () => {
      const [fleet] = await platform.fleets()
      return fleet?.conditions.find(({ type }) => type === 'CredentialsLost')?.message
    },
    { what: 'CredentialsLost', deadlineMs: 60_000, everyMs: 500 },
  )
  assert.match(said, /r-1 .*new secret: POST \/v1\/namespaces\/cold\/fleets\/reefers\/devices\/DEVICE\/rotate/)
  assert.doesNotMatch(said, /r-2/)
  await platform.call('POST', '/v1/namespaces/cold/fleets/reefers/devices/r-1/rotate')
  await until(async () => !(await platform.fleets())[0]?.conditions.some(({ type }) => type === 'CredentialsLost'), {
    what: 'the condition to go',
    deadlineMs: 15_000,
  })
})
