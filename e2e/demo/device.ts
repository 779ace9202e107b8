/**
 * The devices that the demo makes: one for its user, and one that leaves its door open, as a broker lets a device have one session. The
 * api tells their secrets once, so they are kept in the demo's folder.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Device } from '../kit/api-client.ts'
import type { Platform } from '../kit/platform.ts'
import { DATA } from './folder.ts'

const FLEET = { namespace: 'coldchain', name: 'reefers' }
const DISPLAY_NAMES = { 'truck-1': 'Your truck', 'truck-2': 'The truck with the door' } as const

/** Registered once; on later starts the one of before. */
export const demoDevice = async (platform: Platform, name: keyof typeof DISPLAY_NAMES): Promise<Device> => {
  const file = join(DATA, 'secrets', `${name}.json`)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Device
  await platform.untilReady(FLEET)
  const spec = { device: name, type: 'reefer', labels: { cargo: 'vaccine' }, displayName: DISPLAY_NAMES[name] }
  const device = await platform.register(FLEET, spec)
  writeFileSync(file, JSON.stringify(device), { mode: 0o600 })
  return device
}
