import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compileExpression } from './expression.ts'
import { FUNCTION_NAMES } from './functions.ts'
import { METHOD_NAMES } from './methods.ts'
import { SCHEMA } from './testing/fleet.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../../../../docs/rules.md'), 'utf8')

const examples = [...PAGE.matchAll(/```cel\n(.*?)```/gs)].flatMap(([, block]) => (block as string).trim().split('\n'))

test('every expression of the page about rules compiles', () => {
  assert.ok(examples.length > 5)
  for (const example of examples) assert.ok('ok' in compileExpression(example, SCHEMA), example)
})

test('the page about rules names every function', () => {
  for (const name of [...FUNCTION_NAMES, ...METHOD_NAMES]) assert.match(PAGE, new RegExp(`\`${name}\\b`), name)
})
