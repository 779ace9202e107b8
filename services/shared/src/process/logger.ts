import { type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger } from 'pino'

/** JSON lines on stdout: `level` in words, `time` in RFC 3339, the fields given, `msg`. */
export const createLogger = (service: string, level: string): Logger =>
  pino({
    level,
    base: { service },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  })

/** The message of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
