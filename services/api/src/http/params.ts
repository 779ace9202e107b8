/** What stands in paths and queries: names, page sizes, continue tokens. */
import { DEVICE_ID, type Ref } from '@fleetloom/crds/names'
import type { Context } from 'hono'
import { z } from 'zod'
import { parseWith } from './body.ts'
import { Problem } from './problem.ts'

const LABEL = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/

export const namespaceName = z
  .string()
  .max(63)
  .regex(LABEL, 'must be lower case letters, digits and hyphens, as a Kubernetes namespace')

export const fleetName = z.string().max(50).regex(LABEL, 'must be lower case letters, digits and hyphens, at most 50')

export const deviceId = z
  .string()
  .regex(
    DEVICE_ID,
    'must be letters, digits, dot, underscore and hyphen, beginning with a letter or digit, at most 128',
  )

const fleetPath = z.object({ namespace: namespaceName, fleet: fleetName })
const devicePath = fleetPath.extend({ device: deviceId })

/** The fleet that the path names. @throws Problem */
export const fleetOf = (c: Context): Ref => {
  const { namespace, fleet } = parseWith(fleetPath, c.req.param(), 'path')
  return { namespace, name: fleet }
}

/** The device that the path names. @throws Problem */
export const deviceOf = (c: Context): z.infer<typeof devicePath> => parseWith(devicePath, c.req.param(), 'path')

/** One of some words. */
export const oneOf = <const Words extends readonly string[]>(words: Words) =>
  z.enum(words, { error: `must be one of ${words.join(', ')}` })

export const pageLimit = (most: number, preset: number) => z.coerce.number().int().min(1).max(most).default(preset)

/** Opaque to the caller; holds the sequence at which the next page begins. */
export const continueToken = z
  .string()
  .regex(/^c[1-9][0-9]{0,15}$/, 'must be the `continue` of the page before')
  .transform((token) => Number(token.slice(1)))

export const tokenOf = (sequence: number | undefined): { continue?: string } =>
  sequence === undefined ? {} : { continue: `c${sequence}` }

const ETAG = /^(?:W\/)?"([1-9][0-9]{0,15})"$/

/** Revision that If-Match asks for; undefined when the header is absent or `*`. @throws Problem */
export const ifMatch = (c: Context): number | undefined => {
  const header = c.req.header('if-match')
  if (header === undefined || header === '*') return undefined
  const revision = ETAG.exec(header)?.[1]
  if (revision !== undefined) return Number(revision)
  throw new Problem('invalid-request', 'If-Match must be the ETag of the device, such as "42"', {
    errors: [{ field: 'If-Match', value: header.slice(0, 100), reason: 'not an ETag of ours' }],
    next: 'Read the device and send its ETag, or leave the header out.',
  })
}
