/** `…/devices/:device/certificate`: sign a request, revoke what was signed. */

import type { Registry } from '@fleetloom/shared/registry/registry'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { mediaType, readBytes, readJson, requireMediaType } from '../http/body.ts'
import type { ApiEnv } from '../http/env.ts'
import { allow } from '../keys/authenticate.ts'
import type { Certificates } from './certificates.ts'
import { find } from './find.ts'
import { deviceView } from './schema.ts'

const CSR_TYPE = 'application/pkcs10'
const JSON_TYPE = 'application/json'
const CHAIN_TYPE = 'application/pem-certificate-chain'
/** A request with an RSA key of 4096 bits has 1.7 kB in PEM. */
const MAX_CSR_BYTES = 8 * 1024

const csrBody = z.strictObject({ csr: z.string().max(MAX_CSR_BYTES).describe('certificate request, PEM') })

export type CertificateRouteParts = {
  readonly registry: Pick<Registry, 'get'>
  readonly certificates: Pick<Certificates, 'sign' | 'revoke'>
}

const readRequest = async (c: Context): Promise<Buffer> => {
  requireMediaType(c, CSR_TYPE, JSON_TYPE)
  if (mediaType(c) === JSON_TYPE) return Buffer.from((await readJson(c, csrBody)).csr)
  return Buffer.from(await readBytes(c, MAX_CSR_BYTES))
}

const wantsPem = (c: Context): boolean => (c.req.header('accept') ?? '').includes(CHAIN_TYPE)

export const certificateRoutes = ({ registry, certificates }: CertificateRouteParts): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .post('/', allow('devices:write'), async (c) => {
      const entry = await find(registry, c)
      const { chain, certificate, username } = await certificates.sign(entry, await readRequest(c))
      if (wantsPem(c)) return c.body(chain, 201, { 'content-type': CHAIN_TYPE })
      const { serial, issuedAt, notAfter } = certificate
      return c.json({ username, serial, issuedAt, notAfter, chain }, 201)
    })
    .post('/revoke', allow('devices:write'), async (c) => {
      const revoked = await certificates.revoke(await find(registry, c))
      c.header('etag', `"${revoked.revision}"`)
      return c.json(deviceView(revoked))
    })
