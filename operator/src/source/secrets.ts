/** Secrets that resources name: read when they are needed, kept nowhere, and told to nobody. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { label, type Ref } from '@fleetloom/crds/names'

/** Key of a Secret that holds what signs the posts of a webhook. */
export const WEBHOOK_KEY = 'key'

/** What was read, or why it may not be used and what to do about it. */
export type SecretRead = { readonly value: Buffer } | { readonly fault: string }

/** Reads the key `key` of a Secret. @throws where whoever keeps it does not answer. */
export type SecretReader = (ref: Ref) => Promise<SecretRead>

/** Longest secret that is taken. */
export const MAX_SECRET_BYTES = 1_024

/** The secret, if it is neither empty nor too long. */
export const usable = (value: Buffer, where: string): SecretRead => {
  if (value.length === 0) return { fault: `${where} is empty; put the text that signs the posts there` }
  if (value.length > MAX_SECRET_BYTES)
    return { fault: `${where} holds ${value.length} bytes; at most ${MAX_SECRET_BYTES} are taken` }
  return { value }
}

const isMissing = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')

const NEWLINE = '\n'.charCodeAt(0)

/** Secrets in files `FOLDER/NAMESPACE/NAME/key`; one newline at the end of a file is the editor's and not the secret's. */
export const secretFiles =
  (folder: string | undefined): SecretReader =>
  async (ref) => {
    if (folder === undefined)
      return {
        fault: `secret ${label(ref)} can't be read: start the operator with --secrets DIR, the folder of secrets`,
      }
    const path = join(ref.namespace, ref.name, WEBHOOK_KEY)
    try {
      const bytes = await readFile(join(folder, path))
      return usable(bytes.at(-1) === NEWLINE ? bytes.subarray(0, -1) : bytes, `file ${path} below --secrets`)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (isMissing(error)) return { fault: `there is no file ${path} below --secrets; put the secret there` }
      return { fault: `file ${path} below --secrets can't be read (${code}); let the operator's user read it` }
    }
  }
