/**
 * Keeps a broker's file of revoked certificates as the api has it: asks with the ETag of what it holds, checks the answer's signature,
 * replaces the file whole and tells the broker to read it. *Measured on Mosquitto 2.0.11*: SIGHUP reads the file anew, for new
 * connections and resumed TLS sessions, and leaves live ones alone; a file that it can't read it passes over and then lets in every
 * certificate. So nothing gets into the file but a whole list that the CA signed, and it is on the disk before it has the name.
 */
import type { KeyObject } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '@fleetloom/shared/process/logger'
import { isSignedList, listPem } from './revocation-list.ts'

const TIMEOUT_MS = 5_000
const MOST_BYTES = 64 * 1024 ** 2

export type ListFile = {
  /** The api's `GET /v1/device-ca/crl`. */
  readonly url: string
  readonly file: string
  /** Public key of the CA. */
  readonly key: KeyObject
  /** Tells the broker that the file is new. */
  readonly reload: () => Promise<void>
}

const read = async (response: Response): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > MOST_BYTES) throw new Error(`the list is larger than ${MOST_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * Looks once; gives the ETag of what the file holds now, to be passed next time.
 * @throws when the api does not answer, or with something else than a list of the CA: the file stays as it was.
 */
export const refreshListFile = async (
  { url, file, key, reload }: ListFile,
  etag: string | undefined,
): Promise<string | undefined> => {
  const headers = etag === undefined ? {} : { 'if-none-match': etag }
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (response.status === 304) return etag
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  const list = await read(response)
  if (!isSignedList(list, key)) throw new Error(`${url} gives no revocation list that the device CA signed`)
  await writeFile(`${file}.new`, listPem(list), { flush: true })
  await rename(`${file}.new`, file)
  await reload()
  return response.headers.get('etag') ?? undefined
}

/**
 * Sends SIGHUP to the broker whose pid_file this is.
 * @throws when there is no such process, and for a file that holds no number yet: 0 would be our own process group, and a
 * broker reads the list when it starts.
 */
export const hangUp = async (pidFile: string): Promise<void> => {
  const text = (await readFile(pidFile, 'utf8')).trim()
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${pidFile} holds no process id`)
  process.kill(Number(text), 'SIGHUP')
}

type Keeping = {
  readonly everyMs: number
  readonly signal: AbortSignal
  /** Told after each look: why the file stays as it was, undefined when it is as the api has it. */
  readonly onLook: (fault: string | undefined) => void
}

/** Looks again and again until `signal`. */
export const keepListFile = async (list: ListFile, { everyMs, signal, onLook }: Keeping): Promise<void> => {
  let etag: string | undefined
  while (!signal.aborted) {
    try {
      etag = await refreshListFile(list, etag)
      onLook(undefined)
    } catch (error) {
      onLook(messageOf(error))
    }
    await sleep(everyMs, undefined, { signal }).catch(() => undefined)
  }
}
