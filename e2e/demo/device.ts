/** The device that the demo makes for its user. The api tells its secret once, so it is kept in the demo's folder. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device } from '../kit/api-client.ts'
import type { Platform } from '../kit/platform.ts'
import { DATA } from './folder.ts'

const FLEET = { namespace: 'coldchain', name: 'reefers' }
const FILE = join(DATA, 'secrets', 'truck-1.json')

/** Registered once; on later starts the one of before. */
export const demoDevice = async (platform: Platform): Promise<Device> => {
  if (existsSync(FILE)) return JSON.parse(readFileSync(FILE, 'utf8')) as Device
  await platform.untilReady(FLEET)
  const spec = { device: 'truck-1', type: 'reefer', labels: { cargo: 'vaccine' }, displayName: 'Your truck' }
  const device = await platform.register(FLEET, spec)
  writeFileSync(FILE, JSON.stringify(device), { mode: 0o600 })
  return device
}
