import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { SETTINGS } from '@fleetloom/shared/anomaly/settings'
import { atEvents, scoreFile, totalOf, windowsOf } from './nab-detector.ts'
import { NAB_BESIDE, readNab } from './nab-files.ts'
import { bestThreshold, normalised } from './nab-score.ts'

const skip = existsSync(NAB_BESIDE) ? false : `${NAB_BESIDE} is not there`

test('seven real series with labelled anomalies score at least 65, and 60 without choosing a threshold', {
  skip,
}, async () => {
  const files = await readNab(NAB_BESIDE)
  const scored = files.map((file) => scoreFile(file, SETTINGS))
  const best = normalised(bestThreshold(scored).total, windowsOf(files))
  assert.ok(best >= 65, `score ${best}`)
  const untuned = normalised(totalOf(atEvents(files, SETTINGS)), windowsOf(files))
  assert.ok(untuned >= 60, `score at the level of an event ${untuned}`)
})
