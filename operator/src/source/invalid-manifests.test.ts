import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { notGranted, parseGrants, ungranted } from '@fleetloom/crds/topics'
import { readManifests } from './manifests.ts'

const CRDS = join(import.meta.dirname, '../../../crds')

const filesOf = (folder: string) =>
  readdirSync(join(CRDS, folder)).map((file) => ({ file, text: readFileSync(join(CRDS, folder, file), 'utf8') }))

const expectations = (text: string, prefix: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith(prefix))
    .map((line) => line.slice(prefix.length))

const unseen = () => undefined

test('every example is valid, all of them together', () => {
  const { accepted, refusals } = readManifests(filesOf('examples'), unseen)
  assert.deepEqual(refusals, [])
  assert.deepEqual(accepted.map(({ kind, ref }) => `${kind} ${ref.namespace}/${ref.name}`).sort(), [
    'AlertRule coldchain/door-open',
    'AlertRule coldchain/offline',
    'AlertRule coldchain/too-warm',
    'DeviceFleet climate/cities',
    'DeviceFleet coldchain/reefers',
    'DeviceFleet lab/hosts',
    'DeviceFleet weather/stations',
  ])
})

test('the examples need no prefix but the one that cities.yaml names', () => {
  const grants = parseGrants('sensors/=climate')
  const { accepted } = readManifests(filesOf('examples'), unseen)
  const refused = accepted
    .filter(({ kind }) => kind === 'DeviceFleet')
    .flatMap(({ ref, spec }) => ungranted(spec as DeviceFleetSpec, ref.namespace, grants))
  assert.deepEqual(refused, [])
})

for (const { file, text } of filesOf('invalid')) {
  const grantsLine = /^# expect-with-grants (\S+): (.*)$/m.exec(text)
  if (grantsLine) {
    test(`${file} is refused by the grants`, () => {
      const { accepted, refusals } = readManifests([{ file, text }], unseen)
      assert.deepEqual(refusals, [])
      const messages = accepted.flatMap(({ ref, spec }) =>
        ungranted(spec as DeviceFleetSpec, ref.namespace, parseGrants(grantsLine[1] as string)).map((pattern) =>
          notGranted(pattern, ref),
        ),
      )
      const [, expected] = (grantsLine[2] as string).split(/: (.*)/) as [string, string]
      assert.equal(messages.length, 1)
      assert.ok(messages[0]?.startsWith(expected), messages[0])
    })
    continue
  }
  test(`${file} is refused with the message it names, and no other`, () => {
    const { accepted, refusals } = readManifests([{ file, text }], unseen)
    const said = refusals.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`))
    const wanted = expectations(text, '# expect: ')
    assert.deepEqual(accepted, [])
    assert.ok(wanted.length > 0, 'the file names no expected message')
    assert.equal(said.length, wanted.length, said.join('\n'))
    for (const want of wanted)
      assert.ok(
        said.some((message) => message.startsWith(want)),
        `${want}\nis not among\n${said.join('\n')}`,
      )
  })
}
