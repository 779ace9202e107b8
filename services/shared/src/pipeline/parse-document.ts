/** Reading a document of the pipeline bucket: JSON with a `version` whose major must be known. */
import { z } from 'zod'

export type Parsed<Document> = { readonly ok: Document } | { readonly error: string }

const versioned = z.object({ version: z.string() })

/** The document in `bytes`, or why it can't be used. Never throws. */
export const parseDocument = <Document>(
  bytes: Uint8Array,
  schema: z.ZodType<Document>,
  major: number,
): Parsed<Document> => {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const { version } = versioned.parse(json)
    if (Number(version.split('.')[0]) !== major) return { error: `unknown document version ${version}` }
    const parsed = schema.safeParse(json)
    return parsed.success ? { ok: parsed.data } : { error: z.prettifyError(parsed.error) }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}
