/**
 * Configuration of a process: one zod object, read once from the environment. Keys are camelCase in code and
 * UPPER_SNAKE_CASE in the environment. `--help` prints the table; all faults are reported together, before any connection.
 */
import { z } from 'zod'

export const envName = (key: string): string => key.replace(/[A-Z]/g, '_$&').toUpperCase()

/** Fields that every process has. Describe each field: the description is the manual. */
export const commonConfig = {
  installation: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,20}$/)
    .default('fleetloom')
    .describe('name of this installation; prefixes every object it makes'),
  replica: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,63}$/)
    .default(`${(process.env.HOSTNAME ?? 'local').replace(/[^A-Za-z0-9-]/g, '-').slice(0, 50)}-${process.pid}`)
    .describe('id of this replica, unique among the replicas of the service'),
  httpHost: z.string().default('127.0.0.1').describe('address that /healthz, /readyz and /metrics listen on'),
  httpPort: z.coerce.number().int().min(0).max(65535).default(0).describe('port of the same; 0 takes a free one'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('least severe line to log'),
  otlpEndpoint: z
    .url()
    .optional()
    .describe('OTLP/HTTP traces endpoint, e.g. http://collector:4318/v1/traces; unset: no traces'),
  traceSampleRatio: z.coerce.number().min(0).max(1).default(0.001).describe('share of messages to trace, 0..1'),
} as const

const URL_PASSWORD = /:\/\/[^@/]*:[^@/]*@/

/** Whether no URL in the text holds a password: URLs stand in logs and in answers of the open `/readyz`. */
export const holdsNoPassword = (text: string): boolean => !URL_PASSWORD.test(text)

/** Fields of a process that talks to NATS. */
export const natsConfig = {
  natsUrl: z
    .string()
    .refine(holdsNoPassword, 'holds a password, which belongs into NATS_PASSWORD_FILE')
    .default('nats://127.0.0.1:4222')
    .describe('NATS servers, comma separated'),
  natsUser: z.string().optional().describe('NATS user'),
  natsPasswordFile: z.string().optional().describe('file that holds the NATS password'),
} as const

export class ConfigError extends Error {
  override name = 'ConfigError'
}

type Env = Readonly<Record<string, string | undefined>>

/**
 * Reads the configuration from `env`.
 * @throws ConfigError with one line that names every faulty variable and why.
 */
export const readConfig = <Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  env: Env,
): z.infer<z.ZodObject<Shape>> => {
  const raw = Object.keys(schema.shape).map((key) => [key, env[envName(key)]] as const)
  const parsed = schema.safeParse(Object.fromEntries(raw.filter(([, value]) => value !== undefined && value !== '')))
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map((issue) => {
    const key = String(issue.path[0])
    const value = env[envName(key)]?.replaceAll(new RegExp(URL_PASSWORD, 'g'), '://…@')
    return `${envName(key)}${value === undefined ? '' : `=${JSON.stringify(value)}`}: ${value === undefined ? 'is required' : issue.message}`
  })
  throw new ConfigError(`wrong configuration: ${faults.join('; ')}`)
}

/**
 * Flags as an environment: `--shared-prefix a --manifests DIR` gives SHARED_PREFIX and MANIFESTS. A repeated flag is joined by commas.
 * @throws ConfigError for anything that is not a flag of `schema` with a value.
 */
export const flagsAsEnv = (schema: z.ZodObject, argv: readonly string[]): Env => {
  const known = new Map(
    Object.keys(schema.shape).map((key) => [`--${envName(key).toLowerCase().replaceAll('_', '-')}`, envName(key)]),
  )
  const env: Record<string, string> = {}
  const rest = argv.flatMap((arg) => (arg.startsWith('--') && arg.includes('=') ? splitOnce(arg) : [arg]))
  for (let i = 0; i < rest.length; i += 2) {
    const name = known.get(rest[i] as string)
    const value = rest[i + 1]
    if (name === undefined)
      throw new ConfigError(`unknown argument ${rest[i]}; the flags are ${[...known.keys()].join(' ')}`)
    if (value === undefined) throw new ConfigError(`${rest[i]} needs a value`)
    env[name] = env[name] === undefined ? value : `${env[name]},${value}`
  }
  return env
}

const splitOnce = (arg: string): string[] => [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)]

/** Text of `--help`: what the process does and a line for each variable. */
export const helpText = (about: string, schema: z.ZodObject): string => {
  const lines = Object.entries(schema.shape).map(([key, field]) => {
    const { description = '' } = field as z.ZodType
    const preset = (field as z.ZodType).safeParse(undefined)
    const note = preset.success ? (preset.data === undefined ? 'optional' : `default ${preset.data}`) : 'required'
    return `  ${envName(key).padEnd(26)} ${description} (${note})`
  })
  return `${about}\n\nEnvironment:\n${lines.join('\n')}\n`
}
