/** The alerts about the platform: their rules are tested by Prometheus' own tool, ask for metrics that exist, and have runbooks. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { findTool, ROOT } from '../tools/paths.ts'
import { run } from '../tools/run.ts'
import { FORMS, type Form } from './fleets-under-load.ts'

const RULES = join(ROOT, 'charts/fleetloom/rules')
const HEADINGS = ['## Meaning', '## Impact', '## Diagnosis', '## Mitigation']

type Rule = { readonly alert: string; readonly expr: string; readonly annotations: { readonly runbook: string } }

const text = readFileSync(join(RULES, 'platform.yaml'), 'utf8')
const rules = (parse(text) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules)
const promtool = findTool('promtool')

const metricsAt = async (url: string): Promise<string> => (await fetch(`${url}/metrics`)).text()

const shows = (url: string, series: RegExp): Promise<true> =>
  until(async () => series.test(await metricsAt(url)), { what: `${series}` })

test('the rules say what their cases expect', {
  skip: promtool === undefined && 'promtool is not installed; run: make setup',
}, async () => {
  const { code, output } = await run(promtool ?? '', ['test', 'rules', join(RULES, 'platform.test.yaml')])
  assert.equal(code, 0, output)
  const cases = readFileSync(join(RULES, 'platform.test.yaml'), 'utf8')
  for (const { alert } of rules) assert.match(cases, new RegExp(`alertname: ${alert}\n +exp_alerts`), alert)
})

test('each alert has a runbook with its four parts', () => {
  for (const { alert, annotations } of rules) {
    assert.equal(annotations.runbook, `docs/runbooks/${alert}.md`)
    const path = join(ROOT, annotations.runbook)
    assert.ok(existsSync(path), annotations.runbook)
    const lines = readFileSync(path, 'utf8').split('\n')
    assert.deepEqual(
      lines.filter((line) => line.startsWith('#')),
      [`# ${alert}`, ...HEADINGS],
    )
  }
})

test('every metric that a rule or a runbook names is there, with the labels that its words use', async () => {
  const form = FORMS[0] as Form
  await using platform = await startPlatform({ manifests: { 'f.yaml': form.manifest } })
  await platform.untilReady(form.fleet)
  const { operator, ingest, writer, alerter } = platform
  const pages = await Promise.all(
    [operator, ingest, writer, alerter].map(async ({ url }) => (await fetch(`${url}/metrics`)).text()),
  )
  const runbooks = rules.map(({ annotations }) => readFileSync(join(ROOT, annotations.runbook), 'utf8'))
  const named = [text, ...runbooks].join('\n').match(/fleetloom_[a-z_]+/g) ?? []
  const known = pages.join('\n')
  for (const name of new Set(named)) assert.match(known, new RegExp(`^# TYPE ${name} `, 'm'), name)
  await shows(ingest.url, /^fleetloom_ingest_connected\{namespace="chaos",fleet="objects",session="0"\} 1$/m)
  await shows(writer.url, /^fleetloom_writer_lag_seconds\{namespace="chaos",fleet="objects"\} /m)
})
