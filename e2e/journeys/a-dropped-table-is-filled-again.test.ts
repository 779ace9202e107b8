/** A table dropped by hand comes back with what the stream still holds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namesOf } from '@fleetloom/crds/names'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { FORMS, type Form, registerDevices, SHARED_PREFIXES, startFleetLoad } from './fleets-under-load.ts'
import { balanceOf } from './ledger.ts'

const form = FORMS[0] as Form
const table = namesOf().table(form.fleet)

test('a table dropped under load, and once more when all is quiet, has every acknowledged reading again, each once', async () => {
  await using platform = await startPlatform({
    sharedPrefixes: SHARED_PREFIXES,
    manifests: { 'f.yaml': form.manifest },
  })
  await platform.untilReady(form.fleet)
  const devices = await registerDevices(platform, form, 5)
  const load = await startFleetLoad(platform, form, devices, { rate: 500, reconnect: true })
  await until(() => load.stats().acknowledged > 1_500, { what: 'readings to flow' })
  await platform.sql(`DROP TABLE "${table}"`)
  const atDrop = load.stats().acknowledged
  await until(() => load.stats().acknowledged > atDrop + 2_000, { what: 'readings to go on' })
  const result = await load.stop()

  const allThere = async () => {
    const { missing, duplicates } = await balanceOf(platform.sql, { table, column: form.column }, result)
    return missing.length === 0 && duplicates === 0
  }
  const withinMs = { deadlineMs: 60_000, everyMs: 250 }
  await until(allThere, { what: 'every reading after the first drop', ...withinMs })
  await platform.sql(`DROP TABLE "${table}"`)
  await until(allThere, { what: 'every reading after the second drop', ...withinMs })
  assert.ok(result.acknowledgedNumbers.size > 3_500)
})
