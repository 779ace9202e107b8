/** A new device CA: ECDSA P-256, ten years, which signs certificates and revocation lists and no further CA. */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type KeyPair, newAuthority } from '@fleetloom/shared/certificates/authority'
import { createDeviceCa } from './ca.ts'
import { listPem } from './revocation-list.ts'

const YEARS = 10

export type DeviceCaFiles = {
  /** For the api and for brokers, which check devices against it. */
  readonly certFile: string
  /** For the api alone: mode 0600. */
  readonly keyFile: string
  /** An empty revocation list: a broker needs one before it starts. */
  readonly listFile: string
}

export const deviceCaFiles = (directory: string): DeviceCaFiles => ({
  certFile: join(directory, 'device-ca.crt'),
  keyFile: join(directory, 'device-ca.key'),
  listFile: join(directory, 'device-ca.crl'),
})

/** Certificate and key in PEM. */
export const newDeviceCa = (name: string, now: Date): Promise<KeyPair> => {
  const notAfter = new Date(now)
  notAfter.setUTCFullYear(now.getUTCFullYear() + YEARS)
  return newAuthority(name, { notBefore: now, notAfter })
}

/** Writes a new CA into the folder, unless it holds one: a second would make the devices' certificates worthless. */
export const makeDeviceCa = async (directory: string, now = new Date()): Promise<DeviceCaFiles> => {
  const files = deviceCaFiles(directory)
  if (existsSync(files.keyFile)) return files
  const ca = await newDeviceCa('Fleetloom device CA', now)
  const list = (await createDeviceCa(ca, { days: 1 })).revocationList([], now)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await writeFile(files.certFile, ca.certificate)
  await writeFile(files.listFile, listPem(list))
  await writeFile(files.keyFile, ca.key, { mode: 0o600, flag: 'wx' })
  return files
}
