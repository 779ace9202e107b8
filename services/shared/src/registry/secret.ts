/**
 * Secrets that we make (devices' passwords, API keys): 256 random bits, kept as PBKDF2-HMAC-SHA512 in the one form that both
 * brokers can check: Mosquitto takes salts of 12 bytes, EMQX takes salts that are text, and an iteration count for all.
 *
 * 101 iterations are Mosquitto's own number. More would defend guessable secrets; 256 random bits can't be guessed
 * whatever a try costs, and the broker pays this price at every connect (0.1 ms against 4 ms at 4,096).
 */
import { pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'
import type { SecretHash } from '../broker/broker.ts'

const SECRET_BYTES = 32
const HASH_BYTES = 64
/** 9 random bytes are 12 characters of base64url. */
const SALT_RANDOM_BYTES = 9

export const HASH_ITERATIONS = 101

/** 43 characters of base64url. */
export const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url')

const derive = (secret: string, salt: Uint8Array, iterations: number): Buffer =>
  pbkdf2Sync(secret, salt, iterations, HASH_BYTES, 'sha512')

export const hashSecret = (secret: string): SecretHash => {
  const salt = Buffer.from(randomBytes(SALT_RANDOM_BYTES).toString('base64url'))
  const hash = derive(secret, salt, HASH_ITERATIONS).toString('base64')
  return { iterations: HASH_ITERATIONS, salt: salt.toString('base64'), hash }
}

/** A hash that no secret has. */
export const NO_SECRET: SecretHash = { iterations: HASH_ITERATIONS, salt: '', hash: '' }

/** Takes as long whether the secret is right, wrong, or there is none. */
export const verifySecret = (secret: string, { iterations, salt, hash }: SecretHash): boolean => {
  const wanted = Buffer.from(hash, 'base64')
  const isHash = wanted.length === HASH_BYTES
  const given = derive(secret, Buffer.from(salt, 'base64'), iterations)
  return timingSafeEqual(given, isHash ? wanted : Buffer.alloc(HASH_BYTES)) && isHash
}
