import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild } from '../kit/child.ts'
import type { Place } from '../kit/place.ts'
import type { Platform } from '../kit/platform.ts'
import { freePort } from '../kit/ports.ts'
import { nodeEnv } from '../kit/services.ts'
import { ROOT } from '../tools/paths.ts'
import { DATA, logFileOf } from './folder.ts'

const KEY_FILE = join(DATA, 'secrets', 'simulator-key')
const KEY = {
  name: 'simulator',
  namespaces: ['weather', 'climate', 'lab'],
  verbs: ['devices:read', 'devices:write'],
}

/** A key that may register devices of the simulated fleets, and nothing else. */
const keyFile = async ({ call }: Platform): Promise<string> => {
  if (!existsSync(KEY_FILE)) {
    const { key } = await call<{ key: string }>('POST', '/v1/keys', KEY)
    writeFileSync(KEY_FILE, key, { mode: 0o600 })
  }
  return KEY_FILE
}

/** Weather stations, cities and this very machine as devices. It registers them by itself. */
export const startSimulator = async (platform: Platform, { onDeath }: Pick<Place, 'onDeath'>): Promise<Child> => {
  const port = await freePort()
  return startChild({
    name: 'simulator',
    command: process.execPath,
    args: [join(ROOT, 'services', 'simulator', 'src', 'main.ts')],
    env: {
      ...nodeEnv,
      HTTP_PORT: String(port),
      API_URL: platform.api.url,
      API_KEY_FILE: await keyFile(platform),
      MQTT_URL: platform.mosquitto.url,
      STATE_FILE: join(DATA, 'secrets', 'simulator.json'),
    },
    logFile: logFileOf('simulator'),
    ready: async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok,
    onDeath,
  })
}
