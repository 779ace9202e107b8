import { cpuTemperature, currentLoad, fsSize, mem } from 'systeminformation'

export type HostReading = {
  /** Load average over a minute, in busy processors. */
  readonly load: number
  /** Percent of all memory that programs can't have any more. */
  readonly memory_used: number
  /** Percent of the disk that holds `/`, or of the first disk. */
  readonly disk_used?: number
  /** Of the processor, in degrees Celsius, where there is a sensor. */
  readonly temperature?: number
}

const round = (value: number): number => Math.round(value * 100) / 100

/** What this machine's sensors tell now. */
export const readHost = async (): Promise<HostReading> => {
  const [load, memory, disks, { main }] = await Promise.all([currentLoad(), mem(), fsSize(), cpuTemperature()])
  const disk = disks.find(({ mount }) => mount === '/') ?? disks[0]
  return {
    load: round(load.avgLoad),
    memory_used: round((1 - memory.available / memory.total) * 100),
    ...(disk === undefined ? {} : { disk_used: round(disk.use) }),
    ...(typeof main === 'number' && main > 0 ? { temperature: round(main) } : {}),
  }
}
