import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Logger } from '@fleetloom/shared/process/logger'
import { Stalling } from './loop/errors.ts'
import { ensureAll } from './platform-work.ts'

const logged = () => {
  const lines: string[] = []
  const level = (name: string) => (line: string) => void lines.push(`${name} ${line}`)
  return { lines, log: { info: level('info'), warn: level('warn') } as unknown as Logger }
}

const failing = (error: Error) => async () => {
  throw error
}

test('a back-end that gives no answer twice is asked nothing more, and holds up no other', async () => {
  const { lines, log } = logged()
  const gate = Promise.withResolvers<never>()
  const silent = { backEnd: 'NATS', work: [() => gate.promise, () => gate.promise, async () => ['never']] }
  const other = { backEnd: 'broker', work: [async () => ['a default is closed']] }
  const done = ensureAll([silent, other], log)
  await new Promise(setImmediate)
  assert.deepEqual(lines, ['warn broker: a default is closed'])
  gate.reject(new Error('timeout'))
  await done
  assert.deepEqual(lines.slice(1), ['warn NATS: timeout', 'warn NATS: timeout'])
})

test('one thing that gives no answer holds up nothing behind it', async () => {
  const { lines, log } = logged()
  const leaderless = failing(new Error('timeout'))
  const made = async () => ['bucket devices is made']
  await ensureAll([{ backEnd: 'NATS', work: [leaderless, made, leaderless, made] }], log, 'info')
  assert.equal(lines.filter((line) => line === 'info NATS: bucket devices is made').length, 2)
})

test('what is refused for good holds up nothing behind it', async () => {
  const { lines, log } = logged()
  const foreign = failing(new Stalling('NotOwned', 'stream alerts was not made by this installation'))
  const work = [foreign, failing(new Error('insufficient storage')), async () => ['bucket devices is made']]
  await ensureAll([{ backEnd: 'NATS', work }], log, 'info')
  assert.deepEqual(lines, [
    'warn NATS: stream alerts was not made by this installation',
    'warn NATS: insufficient storage',
    'info NATS: bucket devices is made',
  ])
})
