/**
 * Secrets that a resource names, sealed on their way through the pipeline bucket: AES-256-GCM under a key that is derived from the
 * platform key (HKDF-SHA-256, RFC 5869), with a fresh nonce each time. The context, of whom the secret is, is authenticated and not
 * stored: a sealed secret that is put into another resource's document does not open.
 *
 * A platform key is replaced by naming the one before it: what it sealed opens, what is sealed from then on bears the new key's id.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Sealed } from './rule-document.ts'

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const INFO = 'fleetloom:sealed-secret:1'

type SealKey = { readonly id: string; readonly key: Buffer }

/** The first seals; all open. */
export type SealKeys = readonly [current: SealKey, ...earlier: SealKey[]]

/** A sealed secret that none of the keys opens, or that belongs elsewhere. */
export class SealError extends Error {
  override name = 'SealError'
}

const derived = (platformKey: Uint8Array): SealKey => {
  const key = Buffer.from(hkdfSync('sha256', platformKey, '', INFO, KEY_BYTES))
  return { id: createHash('sha256').update(key).digest('hex').slice(0, 8), key }
}

/** Keys from the contents of the platform key file, and from that of the one before it. */
export const sealKeys = (platformKey: Uint8Array, previous?: Uint8Array): SealKeys =>
  previous === undefined ? [derived(platformKey)] : [derived(platformKey), derived(previous)]

/** The keys in these files. */
export const readSealKeys = async (file: string, previousFile?: string): Promise<SealKeys> =>
  sealKeys(await readFile(file), previousFile === undefined ? undefined : await readFile(previousFile))

/** Context of a secret of a rule. */
export const ruleContext = ({ namespace, uid }: { readonly namespace: string; readonly uid: string }): string =>
  `${namespace}/${uid}`

export const seal = ([{ id, key }]: SealKeys, plain: string | Uint8Array, context: string): Sealed => {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(context))
  const text = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  return { keyId: id, nonce: nonce.toString('base64'), text: text.toString('base64') }
}

/** What was sealed. @throws SealError */
export const open = (keys: SealKeys, { keyId, nonce, text }: Sealed, context: string): Buffer => {
  const found = keys.find(({ id }) => id === keyId)
  if (!found)
    throw new SealError(
      `a secret is sealed under the platform key ${keyId}, which is not among ${keys.map(({ id }) => id).join(', ')}; give the earlier key as the previous one until the operator has sealed anew`,
    )
  try {
    const bytes = Buffer.from(text, 'base64')
    const decipher = createDecipheriv(CIPHER, found.key, Buffer.from(nonce, 'base64'), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()])
  } catch {
    throw new SealError(`a sealed secret of ${context} does not open: it was changed, or belongs to something else`)
  }
}

/** Whether `sealed` holds this text, under the current key and in this context. */
export const isSealOf = (keys: SealKeys, sealed: Sealed, plain: Uint8Array, context: string): boolean => {
  if (sealed.keyId !== keys[0].id) return false
  try {
    return open(keys, sealed, context).equals(plain)
  } catch {
    return false
  }
}
