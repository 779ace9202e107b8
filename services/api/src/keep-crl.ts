/** Beside a Mosquitto: keeps its file of revoked certificates new. */
import { createPublicKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { commonConfig } from '@fleetloom/shared/process/config'
import { processRoutes, serveHttp } from '@fleetloom/shared/process/http'
import { messageOf } from '@fleetloom/shared/process/logger'
import { runProcess } from '@fleetloom/shared/process/run'
import { z } from 'zod'
import { refreshListFile } from './certificates/list-file.ts'

const config = z.object({
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
  config,
  start: async ({ config, log, registry, stack }) => {
    const key = createPublicKey(await readFile(config.deviceCaCertFile))
    const reload = async () =>
      void process.kill(Number((await readFile(config.brokerPidFile, 'utf8')).trim()), 'SIGHUP')
    const stopped = new AbortController()
    let fault: string | undefined = 'not looked yet'
    const keep = async (): Promise<void> => {
      let etag: string | undefined
      while (!stopped.signal.aborted) {
        const before = fault
        try {
          etag = await refreshListFile({ url: config.crlUrl, file: config.crlFile, key, reload }, etag)
          fault = undefined
        } catch (error) {
          fault = messageOf(error)
          if (fault !== before) log.warn(`the revocation list stays as it was: ${fault}`)
        }
        await sleep(config.crlEveryMs, undefined, { signal: stopped.signal }).catch(() => undefined)
      }
    }
    const kept = keep()
    stack.defer(async () => {
      stopped.abort()
      await kept
    })
    const list = async () => {
      if (fault !== undefined) throw new Error(fault)
    }
    stack.use(await serveHttp({ host: config.httpHost, port: config.httpPort }, processRoutes(registry, { list })))
  },
})
