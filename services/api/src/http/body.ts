/** Bodies: read up to a bound, checked by media type and schema. */
import type { Context } from 'hono'
import type { z } from 'zod'
import { invalid, Problem } from './problem.ts'

export const MAX_BODY_BYTES = 64 * 1024

/** Media type of the request without its parameters. */
export const mediaType = (c: Context): string =>
  (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''

/** @throws Problem when the request has another media type. */
export const requireMediaType = (c: Context, ...allowed: readonly string[]): void => {
  if (allowed.includes(mediaType(c))) return
  throw new Problem('unsupported-media-type', `content-type is ${JSON.stringify(mediaType(c))}`, {
    errors: [{ field: 'content-type', value: mediaType(c), reason: `must be ${allowed.join(' or ')}` }],
    next: `Set the header content-type: ${allowed[0]}.`,
  })
}

const tooLarge = (most: number): Problem =>
  new Problem('too-large', `the body is larger than ${most} bytes`, {
    next: 'Send less at a time; many devices go as application/x-ndjson, one a line.',
  })

/** The body as it is. @throws Problem when it is larger than `most`. */
export const readBytes = async (c: Context, most: number = MAX_BODY_BYTES): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.byteLength
    if (size > most) throw tooLarge(most)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** JSON in which no field is named `__proto__`: a schema would pass over it without a word. @throws SyntaxError */
export const jsonOf = (text: string): unknown =>
  JSON.parse(text, (name, value) => {
    if (name === '__proto__') throw new SyntaxError('no field can be named __proto__')
    return value
  })

const parseJson = (bytes: Uint8Array): unknown => {
  try {
    return jsonOf(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new Problem('invalid-request', `the body is not JSON in UTF-8: ${(error as Error).message}`, {
      errors: [{ field: '', reason: 'not valid JSON' }],
      next: 'Send one JSON object.',
    })
  }
}

/** The JSON body by `schema`. @throws Problem */
export const readJson = async <Schema extends z.ZodType>(c: Context, schema: Schema): Promise<z.output<Schema>> =>
  parseWith(schema, parseJson(await readBytes(c)), 'body')

/** `input` by `schema`. @throws Problem that names `part` and the fields. */
export const parseWith = <Schema extends z.ZodType>(schema: Schema, input: unknown, part: string): z.output<Schema> => {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  throw invalid(part, parsed.error, input)
}

/** The query by `schema`; a parameter given twice is a fault. @throws Problem */
export const readQuery = <Schema extends z.ZodType>(c: Context, schema: Schema): z.output<Schema> => {
  const given = Object.entries(c.req.queries()).map(([name, values]) => [
    name,
    values.length === 1 ? values[0] : values,
  ])
  return parseWith(schema, Object.fromEntries(given), 'query')
}
