import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { ConfigError, flagsAsEnv, helpText, readConfig } from './config.ts'

const schema = z.object({
  natsUrl: z.string().default('nats://127.0.0.1:4222').describe('NATS servers'),
  batchRows: z.coerce.number().int().min(1).describe('rows in a batch'),
  sharedPrefix: z.string().optional().describe('granted prefixes'),
})

test('reads the environment by upper snake case, with defaults', () => {
  assert.deepEqual(readConfig(schema, { BATCH_ROWS: '5', NATS_URL: '' }), {
    natsUrl: 'nats://127.0.0.1:4222',
    batchRows: 5,
  })
})

test('names every faulty variable in one message', () => {
  assert.throws(
    () => readConfig(z.object({ port: z.coerce.number(), key: z.string() }), { PORT: 'x' }),
    (error) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /^wrong configuration: PORT="x": .+; KEY: is required$/)
      return true
    },
  )
})

test('flags become an environment; a repeated one is joined by commas', () => {
  assert.deepEqual(flagsAsEnv(schema, ['--batch-rows=7', '--shared-prefix', 'a/=x', '--shared-prefix', 'b/=y']), {
    BATCH_ROWS: '7',
    SHARED_PREFIX: 'a/=x,b/=y',
  })
})

test('an unknown flag and a flag without value are refused', () => {
  assert.throws(() => flagsAsEnv(schema, ['--nope', '1']), /unknown argument --nope; the flags are --nats-url/)
  assert.throws(() => flagsAsEnv(schema, ['--batch-rows']), /--batch-rows needs a value/)
})

test('help shows every variable with its default', () => {
  assert.equal(
    helpText('Does things.', schema),
    `Does things.

Environment:
  NATS_URL                   NATS servers (default nats://127.0.0.1:4222)
  BATCH_ROWS                 rows in a batch (required)
  SHARED_PREFIX              granted prefixes (optional)
`,
  )
})
