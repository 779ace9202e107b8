/** What the kernel knows of a process's CPU and memory (proc(5)). */
import { readFileSync } from 'node:fs'

const CLOCK_TICKS_PER_SECOND = 100

/** CPU time of a process and its threads so far, user and system, in µs; 10 ms resolution. */
export const cpuMicros = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name in brackets and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / CLOCK_TICKS_PER_SECOND
}

const statusMb = (pid: number, field: string): number => {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (!match) throw new Error(`/proc/${pid}/status names no ${field}`)
  return (Number(match[1]) * 1024) / 1_000_000
}

/** Memory a process has resident now, in MB (10^6 bytes). */
export const rssMb = (pid: number): number => statusMb(pid, 'VmRSS')

/** The most it had so far. */
export const peakRssMb = (pid: number): number => statusMb(pid, 'VmHWM')
