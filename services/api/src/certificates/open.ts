import type { DeviceCa } from './ca.ts'

type CaConfig = {
  readonly deviceCaCertFile?: string | undefined
  readonly deviceCaKeyFile?: string | undefined
  readonly deviceCertificateDays: number
  readonly deviceCrlUrl?: string | undefined
}

/** The CA of the configuration. Its code is loaded only where there is one: it costs 18 MB and 0.1 s. @throws ConfigError */
export const openDeviceCa = async (config: CaConfig): Promise<DeviceCa | undefined> => {
  const { deviceCaCertFile: certFile, deviceCaKeyFile: keyFile, deviceCertificateDays: days, deviceCrlUrl } = config
  if (certFile === undefined || keyFile === undefined) return undefined
  const { loadDeviceCa } = await import('./ca.ts')
  return loadDeviceCa({ certFile, keyFile }, { days, listUrl: deviceCrlUrl })
}
