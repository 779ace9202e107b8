import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SERVICES } from '../kit/services.ts'
import { ROOT } from '../tools/paths.ts'
import { bundle } from './images.ts'

for (const service of SERVICES)
  test(`the bundle of ${service} is the same each time, and tells nothing of the machine`, async () => {
    const [first, second] = await Promise.all([bundle(service), bundle(service)])
    assert.equal(first, second)
    assert.ok(!first.includes(ROOT), 'it holds the path of the sources')
  })
