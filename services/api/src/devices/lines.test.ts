import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Line, linesOf, MAX_LINE_BYTES } from './lines.ts'

const collect = async (text: string, size: number): Promise<Line[]> => {
  const bytes = new TextEncoder().encode(text)
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  )
  return (await Array.fromAsync(linesOf(ReadableStream.from(chunks)))).flat()
}

test('lines come out the same however the bytes are cut', async () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => !/[\r\n]/.test(text))
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.integer({ min: 1, max: 7 }), async (lines, size) => {
      const wanted = lines
        .map((text, i) => ({ number: i + 1, text: text.toWellFormed().trim() }))
        .filter(({ text }) => text !== '')
      assert.deepEqual(await collect(lines.join('\n'), size), wanted)
    }),
  )
})

test('a line that is too long is named and does not take the next one with it', async () => {
  const long = 'x'.repeat(MAX_LINE_BYTES + 1)
  assert.deepEqual(await collect(`a\n${long}\n\nb`, 1000), [
    { number: 1, text: 'a' },
    { number: 2, tooLong: true },
    { number: 4, text: 'b' },
  ])
})
