import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkTemplate, renderNumber, renderTemplate, type TemplateValues } from './template.ts'

const VALUES: TemplateValues = {
  ...{ device: 'truck-1', fleet: 'reefers', namespace: 'coldchain', rule: 'too-warm', severity: 'critical' },
  value: 8.250000001,
  labels: { zone: 'a', 'fleetloom.io/site': 'north' },
}

test('placeholders are filled in', () => {
  const rendered = {
    '{{ device }} is at {{ value }} Cel': 'truck-1 is at 8.25 Cel',
    '{{namespace}}/{{fleet}}/{{  rule  }}: {{ severity }}': 'coldchain/reefers/too-warm: critical',
    '{{ labels.zone }}{{ labels.fleetloom.io/site }}': 'anorth',
    '[{{ labels.none }}] [{{ labels.constructor }}]': '[] []',
    'no placeholder, { braces } and } {': 'no placeholder, { braces } and } {',
    '{{ device }}}': 'truck-1}',
    '': '',
  }
  for (const [template, text] of Object.entries(rendered)) {
    assert.equal(checkTemplate(template), undefined, template)
    assert.equal(renderTemplate(template, VALUES), text)
  }
  assert.equal(renderTemplate('{{ value }}', { ...VALUES, value: undefined }), '')
})

test('what is filled in is not read as a template again', () => {
  assert.equal(renderTemplate('{{ labels.zone }}', { ...VALUES, labels: { zone: '{{ device }}' } }), '{{ device }}')
})

test('an unknown name or a bad brace is refused, and rendered as it is', () => {
  const all = 'there are device, fleet, namespace, rule, value, severity, labels.NAME'
  const messages = {
    '{{ devise }}': 'unknown name devise at line 1, column 4; did you mean device?',
    'at {{ temperature }}': `unknown name temperature at line 1, column 7; ${all}`,
    '{{ Value }}': 'unknown name Value at line 1, column 4; did you mean value?',
    '{{ labels }}': 'unknown name labels at line 1, column 4; did you mean labels.NAME?',
    '{{ labels.a b }}': 'unknown name labels.a b at line 1, column 4; did you mean labels.NAME?',
    '{{ constructor }}': `unknown name constructor at line 1, column 4; ${all}`,
    '{{}}': `{{ }} names nothing at line 1, column 3; ${all}`,
    'a\nb {{ device': '{{ is not closed at line 2, column 3; write }} after the name',
    '{{ device {{ value }}': '{{ is not closed at line 1, column 1; write }} after the name',
    'device }} x': '}} closes nothing at line 1, column 8; write {{ before the name',
    '{{ device }} }}': '}} closes nothing at line 1, column 14; write {{ before the name',
    '{{{ device }}}': 'a brace too many at line 1, column 3; write {{ device }}',
    'at { value }': '{ value } is not filled in at line 1, column 4; write {{ value }}',
    '{device}': '{device} is not filled in at line 1, column 1; write {{ device }}',
    'x {b} {value} y': '{value} is not filled in at line 1, column 7; write {{ value }}',
  }
  for (const [template, message] of Object.entries(messages)) {
    assert.equal(checkTemplate(template)?.message, message)
    assert.equal(renderTemplate(template, VALUES), template)
  }
})

test('numbers are rendered without the noise of floating point', () => {
  const rendered: readonly (readonly [number, string])[] = [
    [8.250000001, '8.25'],
    [0.1 + 0.2, '0.3'],
    [5, '5'],
    [-0, '0'],
    [-21.3000000004, '-21.3'],
    [1234567.5, '1234567.5'],
    [99999999.1234567, '99999999.123457'],
    [0.00012345678, '0.000123457'],
    [1e-9, '1e-9'],
    [9007199254740991, '9007199254740991'],
    [1e300, '1e+300'],
  ]
  for (const [value, text] of rendered) assert.equal(renderNumber(value), text)
})

test('any text is either refused with a place inside it, or rendered', () => {
  const soup = fc
    .array(fc.constantFrom('{', '}', '{{', '}}', ' ', 'device', 'labels.', 'x', '\n', '😀'))
    .map((all) => all.join(''))
  fc.assert(
    fc.property(fc.oneof(soup, fc.string()), (template) => {
      const fault = checkTemplate(template)
      const rendered = renderTemplate(template, VALUES)
      if (fault === undefined) return assert.ok(!rendered.includes('{{ device }}'))
      const lines = template.split('\n')
      assert.ok(fault.line <= lines.length && fault.column <= (lines[fault.line - 1]?.length ?? 0) + 1)
      assert.equal(rendered, template)
    }),
  )
})
