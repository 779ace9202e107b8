/** Beside a Mosquitto: keeps its file of revoked certificates new. */
import { createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { commonConfig } from '@fleetloom/shared/process/config'
import { processRoutes, serveHttp } from '@fleetloom/shared/process/http'
import { runProcess } from '@fleetloom/shared/process/run'
import { z } from 'zod'
import { hangUp, keepListFile } from './certificates/list-file.ts'

const crlConfig = z.object({
  ...commonConfig,
  crlUrl: z.url({ protocol: /^https?$/ }).describe("the api's GET /v1/device-ca/crl"),
  crlFile: z.string().describe("the broker's crlfile"),
  deviceCaCertFile: z.string().describe('certificate (PEM) of the device CA, whose signature a list must bear'),
  brokerPidFile: z.string().describe("the broker's pid_file; it is sent SIGHUP when the list is new"),
  crlEveryMs: z.coerce.number().int().min(100).max(3_600_000).default(1_000).describe('pause between two looks'),
})

await runProcess({
  name: 'fleetloom-crl',
  about: 'Keeps a Mosquitto’s file of revoked certificates as the api has it.',
  config: crlConfig,
  start: async ({ config, log, registry, stack }) => {
    const key = createPublicKey(await readFile(config.deviceCaCertFile))
    const list = { url: config.crlUrl, file: config.crlFile, key, reload: () => hangUp(config.brokerPidFile) }
    const stopped = new AbortController()
    let fault: string | undefined = 'has not looked yet'
    const onLook = (next: string | undefined): void => {
      if (next !== undefined && next !== fault) log.warn(`the revocation list is not as the api has it: ${next}`)
      fault = next
    }
    const kept = keepListFile(list, { everyMs: config.crlEveryMs, signal: stopped.signal, onLook })
    stack.defer(async () => {
      stopped.abort()
      await kept
    })
    const isFresh = async (): Promise<void> => {
      if (fault !== undefined) throw new Error(fault)
    }
    const routes = processRoutes(registry, { list: isFresh })
    stack.use(await serveHttp({ host: config.httpHost, port: config.httpPort }, routes))
  },
})
