import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundedTexts, MAX_ANNOTATION_TEXT, MAX_LABEL_TEXT, MAX_TEXTS_BYTES } from './bounded-texts.ts'

const many = (name: string, text: string) =>
  Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`${name}${i}`, text]))

test('texts of a common size are told as they are', () => {
  const told = { labels: { team: 'cold', empty: '' }, annotations: { summary: 'x'.repeat(MAX_ANNOTATION_TEXT) } }
  assert.deepEqual(boundedTexts(told), told)
})

test('a text that is too long is cut, with an ellipsis and between characters', () => {
  const told = { labels: { l: 'l'.repeat(300) }, annotations: { a: 'a'.repeat(2000), b: `b${'😀'.repeat(1000)}` } }
  assert.deepEqual(boundedTexts(told), {
    labels: { l: `${'l'.repeat(MAX_LABEL_TEXT - 1)}…` },
    annotations: {
      a: `${'a'.repeat(MAX_ANNOTATION_TEXT - 1)}…`,
      b: `b${'😀'.repeat((MAX_ANNOTATION_TEXT - 2) / 2)}…`,
    },
  })
})

test('all texts together are bounded in bytes, labels first, whatever they are made of', () => {
  for (const text of ['a', 'é', '😀', '\u0001', '"', '\ud800']) {
    const told = boundedTexts({
      labels: many('l', text.repeat(64)),
      annotations: many('a', text.repeat(1024)),
    })
    const bytes = Buffer.byteLength(JSON.stringify(told.labels)) + Buffer.byteLength(JSON.stringify(told.annotations))
    assert.ok(bytes <= MAX_TEXTS_BYTES + 4 && bytes > MAX_TEXTS_BYTES - 200, `${bytes} of ${JSON.stringify(text)}`)
    assert.equal(Object.keys(told.labels).length, 32)
  }
})
