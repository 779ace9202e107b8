/** Documents of the pipeline bucket: JSON with a format version, whose unknown fields are ignored. */
import { z } from 'zod'

export type Parsed<Document> = { readonly ok: Document } | { readonly error: string }

/** The document in `bytes`, or why it can't be used: among others, when its major version is another. Never throws. */
export const parseDocument = <Schema extends z.ZodType>(
  schema: Schema,
  major: number,
  bytes: Uint8Array,
): Parsed<z.infer<Schema>> => {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const { version } = z.object({ version: z.string() }).parse(json)
    if (Number(version.split('.')[0]) !== major) return { error: `unknown document version ${version}` }
    const parsed = schema.safeParse(json)
    return parsed.success ? { ok: parsed.data } : { error: z.prettifyError(parsed.error) }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}
