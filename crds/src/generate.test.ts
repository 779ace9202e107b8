import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { parse } from 'yaml'
import { crdOf } from './crd.ts'
import { generated } from './generate.ts'
import { KIND_NAMES, KINDS } from './kinds.ts'

const committed = (path: string): string => readFileSync(join(import.meta.dirname, '../..', path), 'utf8')

for (const [path, text] of generated())
  test(`${path} is what the schemas give; if not, run npm run generate`, () => assert.equal(text, committed(path)))

test('the YAML says what the schemas say', () => {
  for (const name of KIND_NAMES)
    assert.deepEqual(parse(committed(`crds/yaml/${KINDS[name].plural}.yaml`)), JSON.parse(JSON.stringify(crdOf(name))))
})

test('each kind has a status subresource, columns, short names and a category', () => {
  const faces = KIND_NAMES.map(crdOf).map(({ metadata, spec }) => ({
    name: metadata.name,
    short: spec.names.shortNames,
    categories: spec.names.categories,
    subresources: spec.versions[0]?.subresources,
    columns: spec.versions[0]?.additionalPrinterColumns.map((column) => column.name),
  }))
  assert.deepEqual(faces, [
    {
      name: 'devicefleets.fleetloom.io',
      short: ['df'],
      categories: ['fleetloom'],
      subresources: { status: {} },
      columns: ['Ready', 'Reason', 'Devices', 'Online', 'Age', 'Message'],
    },
    {
      name: 'alertrules.fleetloom.io',
      short: ['ar'],
      categories: ['fleetloom'],
      subresources: { status: {} },
      columns: ['Ready', 'Fleet', 'Severity', 'Firing', 'Pending', 'Evaluated', 'Age', 'Reason', 'Message'],
    },
  ])
})
