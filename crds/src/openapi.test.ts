import assert from 'node:assert/strict'
import test from 'node:test'
import { z } from 'zod'
import { openApiOf, SchemaError } from './openapi.ts'

const text = () => z.string().max(9).describe('Text.')
const field = (schema: z.ZodType) => z.object({ field: schema }).describe('An object.')

const refuses = (schema: z.ZodType, message: string) =>
  assert.throws(
    () => openApiOf(field(schema), 'spec'),
    (error) =>
      error instanceof SchemaError && error.message.startsWith(`spec.field`) && error.message.includes(message),
  )

test('what would vanish or be refused throws with its path', () => {
  refuses(
    text().refine(() => true),
    'a check of kind custom would vanish',
  )
  refuses(
    text().superRefine(() => undefined),
    'a check of kind custom would vanish',
  )
  refuses(text().transform(Number), "zod's pipe has no counterpart")
  refuses(z.preprocess(String, text()), "zod's pipe has no counterpart")
  refuses(text().trim(), 'a check of kind overwrite would vanish')
  refuses(text().catch('x'), "zod's catch has no counterpart")
  refuses(text().nullable(), "zod's nullable has no counterpart")
  refuses(z.union([text(), z.int()]), "zod's union has no counterpart")
  refuses(z.unknown(), "zod's unknown has no counterpart")
  refuses(z.any(), "zod's any has no counterpart")
  refuses(z.literal('x'), "zod's literal has no counterpart")
  refuses(z.coerce.number(), 'coercion would vanish')
  refuses(z.strictObject({}), 'strict and loose objects are refused')
  refuses(z.looseObject({}), 'strict and loose objects are refused')
  refuses(z.email().max(9), 'no string format email')
  refuses(z.hostname().max(9), 'no string format hostname')
  refuses(text().regex(/a/).regex(/b/), 'two patterns')
  refuses(text().startsWith('a'), 'no string format starts_with')
  refuses(z.number().gt(1), 'bounds must be inclusive')
  refuses(z.record(z.string().regex(/a/), text()), 'checks of keys are refused')
})

test('a schema that bears an id throws', () => {
  refuses(text().meta({ id: 'text-of-this-test' }), 'meta id makes a $ref')
})

test('what has no bound or no description throws', () => {
  refuses(z.string().describe('Text.'), 'a string needs a largest length')
  refuses(z.array(text()).describe('A list.'), 'a list needs a largest size')
  refuses(z.record(z.string(), text()).describe('A map.'), 'a map needs a largest size')
  refuses(z.boolean(), 'a field needs a description')
  refuses(text().meta({ 'x-kubernetes-validations': [{ rule: 'true', message: '' }] }), 'a rule needs a message')
  refuses(text().meta({ examples: ['a'] }), 'examples is not known')
})

test('faults deep inside are found, with their path', () => {
  const deep = z
    .array(
      field(
        z
          .record(
            z.string(),
            text().refine(() => true),
          )
          .meta({ maxProperties: 1 }),
      ),
    )
    .max(1)
  assert.throws(
    () => openApiOf(field(deep), 'spec'),
    /^SchemaError: spec\.field\[\]\.field\{\}: a check of kind custom/,
  )
})

test('what Kubernetes takes comes through', () => {
  const schema = z
    .object({
      name: z.string().max(5).regex(/^a/).default('a').describe('A name.'),
      size: z.int().min(1).max(3).optional().describe('A size.'),
      inner: z
        .object({ on: z.boolean().default(true).describe('On.') })
        .prefault({})
        .describe('Inner.'),
      tags: z.record(z.string(), z.string().max(2)).meta({ maxProperties: 3 }).default({}).describe('Tags.'),
      kinds: z
        .array(z.enum(['A', 'B']).describe('A kind.'))
        .max(2)
        .describe('Kinds.'),
    })
    .describe('All.')
  assert.deepEqual(openApiOf(schema), {
    type: 'object',
    description: 'All.',
    required: ['kinds'],
    properties: {
      name: { type: 'string', description: 'A name.', default: 'a', pattern: '^a', maxLength: 5 },
      size: { type: 'integer', description: 'A size.', minimum: 1, maximum: 3 },
      inner: {
        type: 'object',
        description: 'Inner.',
        default: {},
        properties: { on: { type: 'boolean', description: 'On.', default: true } },
      },
      tags: {
        type: 'object',
        description: 'Tags.',
        default: {},
        maxProperties: 3,
        additionalProperties: { type: 'string', maxLength: 2 },
      },
      kinds: {
        type: 'array',
        description: 'Kinds.',
        maxItems: 2,
        items: { type: 'string', description: 'A kind.', enum: ['A', 'B'] },
      },
    },
  })
})

test('the default of an object with rules is whole, as its rules are judged on it alone', () => {
  const rule = { 'x-kubernetes-validations': [{ rule: 'self.inner.on', message: 'must be on' }] }
  const inner = z
    .object({ on: z.boolean().default(true).describe('On.') })
    .prefault({})
    .describe('Inner.')
  const outer = z
    .object({ inner, other: z.boolean().optional().describe('Other.') })
    .meta(rule)
    .prefault({})
  const { properties } = openApiOf(field(outer.describe('Outer.')))
  assert.deepEqual(properties?.field?.default, { inner: { on: true } })
  assert.deepEqual(properties?.field?.properties?.inner?.default, {})
})
