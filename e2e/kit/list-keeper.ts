/** The process beside a Mosquitto that keeps its revocation list new. */
import { join } from 'node:path'
import type { DeviceCaFiles } from '@fleetloom/api/certificates/make-ca'
import { ROOT } from '../tools/paths.ts'
import { type Child, startChild } from './child.ts'
import type { MosquittoTls } from './mosquitto.ts'
import { type Place, placeOf } from './place.ts'
import { freePort } from './ports.ts'
import { nodeEnv } from './services.ts'

export type ListKeeperOptions = Pick<Place, 'logFile' | 'onDeath'> & {
  readonly apiUrl: string
  readonly deviceCa: DeviceCaFiles
  readonly tls: MosquittoTls
}

const EVERY_MS = 500

/** Starts it and waits until the broker has the api's list. */
export const startListKeeper = async ({ apiUrl, deviceCa, tls, ...place }: ListKeeperOptions): Promise<Child> => {
  const port = await freePort()
  return startChild({
    name: 'crl',
    command: process.execPath,
    args: [join(ROOT, 'services', 'api', 'src', 'keep-crl.ts')],
    env: {
      HTTP_PORT: String(port),
      CRL_URL: `${apiUrl}/v1/device-ca/crl`,
      CRL_FILE: deviceCa.listFile,
      DEVICE_CA_CERT_FILE: deviceCa.certFile,
      BROKER_PID_FILE: tls.pidFile,
      CRL_EVERY_MS: String(EVERY_MS),
      ...nodeEnv,
    },
    ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
    ...placeOf('crl', { ...place, directory: ROOT }).child,
  })
}
