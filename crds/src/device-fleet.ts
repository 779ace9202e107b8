/** `DeviceFleet`: devices of one kind, their topics, their schema and where their readings go. */
import { z } from 'zod'
import { RESERVED_COLUMNS, RESERVED_FLEET_NAMES } from './names.ts'
import { conditions, counted, duration, listMap, observedGeneration, quantity, rules } from './schema.ts'
import { disjointTopics, MAX_PATTERN_LENGTH, OWN_PREFIX, patternRules, sameDeviceLevel } from './topics.ts'
import { celMs, DURATION_UNITS } from './units.ts'

export const TIMESTAMP_UNITS = ['Seconds', 'Milliseconds', 'Microseconds', 'Nanoseconds', 'RFC3339'] as const
export const MEASUREMENT_TYPES = ['Double', 'Long', 'Boolean', 'Symbol', 'String'] as const
export const AUTHENTICATION_MODES = ['Password', 'Certificate'] as const
export const PARTITIONS = ['Hour', 'Day', 'Week'] as const
export const ROLLUP_STEPS = ['1m', '5m', '10m', '15m', '30m', '1h', '2h', '3h', '6h', '12h', '1d'] as const

const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(', ')

type PatternKind = Parameters<typeof patternRules>[0]

// Without a list type: in Kubernetes' CEL `+` of two sets is their union, which would hide a topic given twice.
const patterns = (max: number, kind: PatternKind) =>
  z
    .array(
      z
        .string()
        .max(MAX_PATTERN_LENGTH)
        .meta({ 'x-kubernetes-validations': patternRules(kind) })
        .describe('A topic pattern: levels parted by /, {device} once.'),
    )
    .max(max)

const topic = (last: string, kind: PatternKind = {}) => patterns(4, kind).default([`${OWN_PREFIX}{device}/${last}`])

const topics = z
  .object({
    telemetry: patterns(4, { measurement: true })
      .min(1)
      .default([`${OWN_PREFIX}{device}/telemetry`])
      .describe(
        'Where devices publish readings. A pattern without {measurement}: a JSON object per message, a field per measurement. With {measurement} as a level: one value per message.',
      ),
    events: topic('events').describe(
      'Where devices publish what happened: a JSON object with type, severity, user, address, metadata.',
    ),
    commands: topic('commands').describe('Where devices receive commands.'),
    replies: topic('replies').describe('Where devices answer commands.'),
  })
  .meta(rules([disjointTopics.rule, disjointTopics.message]))
  .prefault({})
  .describe(
    'Topics of the devices. {namespace}, {fleet}, {device} and {measurement} are filled in as whole levels. A pattern starts with fleets/{namespace}/{fleet}/ or with a prefix granted to the namespace.',
  )

/** With 8, the rules of a fleet of longest patterns cost more than the API server allows one rule (measured on 1.36). */
const MAX_ACCESS = 6

const access = z
  .object({
    publish: patterns(MAX_ACCESS, { hash: true })
      .default([])
      .describe('Further topics a device may publish to; the last level may be #.'),
    subscribe: patterns(MAX_ACCESS, { hash: true })
      .default([])
      .describe('Further topics a device may subscribe to; the last level may be #.'),
  })
  .prefault({})
  .describe('What a device may do beyond its topics. Everything else is denied.')

const authentication = z
  .object({
    mode: z
      .enum(AUTHENTICATION_MODES)
      .meta(
        rules([
          'self == oldSelf',
          'mode can not change, as every registered device would be locked out at once; create a fleet of another name with the new mode and register the devices there',
        ]),
      )
      .default('Password')
      .describe(
        "How a device proves who it is. Password: the secret that the api returns once. Certificate: a client certificate that the platform's CA signs for the device's own key, over TLS; no password is made or accepted, and NAMESPACE.DEVICE has at most 64 characters. Can not be changed.",
      ),
  })
  .prefault({})
  .describe('How devices prove who they are. The user name is NAMESPACE.DEVICE.')

const payload = z
  .object({
    format: z.enum(['JSON']).default('JSON').describe('Format of payloads.'),
    timestampField: z
      .string()
      .min(1)
      .max(63)
      .meta(rules(["self != 'value'", "must not be 'value', which holds the reading where a message has one value"]))
      .default('ts')
      .describe(
        'Field of the JSON object that holds the time of the reading. A message without it gets its arrival time.',
      ),
    timestampUnit: z
      .enum(TIMESTAMP_UNITS)
      .default('Milliseconds')
      .describe('Unit of the timestamp since 1970-01-01T00:00:00Z, or RFC3339 for text such as 2026-01-31T12:00:00Z.'),
    acceptPast: duration('1s', '100y')
      .default('30d')
      .describe('How old a reading may be on arrival; an older one is a dead letter. At most storage.ttl.'),
    acceptFuture: duration('0s', '1d')
      .default('5m')
      .describe('How far ahead of our clock a reading may be; one further ahead is a dead letter.'),
    allowedLateness: duration('0s', '1h')
      .default('0s')
      .describe(
        'How much older than the newest reading of its device a reading may be and still count in alert rules, which wait for as long. A later one is stored all the same.',
      ),
  })
  .prefault({})
  .describe('What messages look like.')

const measurement = z
  .object({
    name: z
      .string()
      .max(63)
      .regex(/^[a-z][a-z0-9_]{0,62}$/)
      .meta(
        rules([
          `!(self in [${quoted(RESERVED_COLUMNS)}])`,
          `must not be one of ${RESERVED_COLUMNS.join(', ')}: every table has these columns`,
        ]),
      )
      .describe('Field of the message and column of the table: lower case letters, digits and _.'),
    type: z
      .enum(MEASUREMENT_TYPES)
      .describe(
        'Double: a finite number. Long: a whole number within ±9007199254740991. Boolean. Symbol: text that repeats (states, names). String: free text. Text has at most 1024 bytes. Can not be changed.',
      ),
    unit: z.string().max(32).optional().describe('Unit of the values, in UCUM where it has one: Cel, hPa, m/s, %.'),
    minimum: z
      .number()
      .optional()
      .describe('Smallest value accepted; a lower one is a dead letter. Double and Long only.'),
    maximum: z
      .number()
      .optional()
      .describe('Largest value accepted; a higher one is a dead letter. Double and Long only.'),
  })
  .meta(
    rules(
      [
        'self.type == oldSelf.type',
        'type can not change, as the column holds readings of the old type; add a measurement of another name, let devices send both, then remove this one',
      ],
      [
        "self.type in ['Double', 'Long'] || !(has(self.minimum) || has(self.maximum))",
        'minimum and maximum are for Double and Long only',
      ],
      ['!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum', 'minimum must not exceed maximum'],
    ),
  )
  .describe('One measurement.')

const limits = z
  .object({
    payloadBytes: z
      .int()
      .min(16)
      .max(262144)
      .default(16384)
      .describe('Largest payload accepted, in bytes; a larger one is a dead letter.'),
    messagesPerSecond: z
      .number()
      .min(0.001)
      .max(100000)
      .default(20)
      .describe(
        'Messages per second and device that the fleet is meant for. A device above it is reported, never dropped.',
      ),
  })
  .prefault({})
  .describe('What one device may send.')

export const MAX_SESSIONS = 16

const ingest = z
  .object({
    sessions: z
      .int()
      .min(1)
      .max(MAX_SESSIONS)
      .default(1)
      .describe(
        'MQTT sessions that take the messages of this fleet. More than one spreads it over several ingest replicas, but the queue of a replica that is away waits until it is back.',
      ),
  })
  .prefault({})
  .describe('How readings are taken from the broker.')

const stream = z
  .object({
    replicas: z
      .int()
      .min(1)
      .max(5)
      .meta(rules(['self in [1, 3, 5]', 'must be 1, 3 or 5']))
      .default(1)
      .describe('Copies of the stream on different NATS servers: 1, 3 or 5.'),
    storage: z
      .enum(['File'])
      .default('File')
      .describe('Where the stream is kept. File only: acknowledged readings must outlive a restart.'),
    maxBytes: quantity('4Mi', '100Ti')
      .default('256Mi')
      .describe('Room for readings that the database has not taken, such as 256Mi. NATS reserves it at once.'),
    keep: duration('0s', '1y')
      .default('24h')
      .describe(
        'How long readings stay after the database took them, as far as there is room. 0s: not at all. Alert rules lose what is gone while the alerter is away or behind: the condition AlertsBlind says so.',
      ),
    shards: z
      .int()
      .min(1)
      .max(64)
      .meta(
        rules([
          'self == oldSelf',
          "shards can not change, as a device's order depends on it; create a fleet of another name and move the devices to it",
        ]),
      )
      .default(4)
      .describe('Subjects that the devices are spread over. Can not be changed.'),
  })
  .prefault({})
  .describe('The durable stream between ingest and the database.')

const day = DURATION_UNITS.d
const partitionMs = `{'Hour': ${DURATION_UNITS.h}, 'Day': ${day}, 'Week': ${DURATION_UNITS.w}}`

const rollup = z
  .object({
    every: z.enum(ROLLUP_STEPS).describe('Length of a step: one row per device and step.'),
    ttl: duration('1d', '100y', [`${celMs('self')} % ${day} == 0`, 'must be a whole number of days']).describe(
      'How long the rows are kept: a whole number of days.',
    ),
  })
  .describe('One rollup.')

const storage = z
  .object({
    partitionBy: z
      .enum(PARTITIONS)
      .meta(
        rules([
          'self == oldSelf',
          'partitionBy can not change, as a table is partitioned once; create a fleet of another name with the new partitioning and move the devices to it',
        ]),
      )
      .default('Day')
      .describe('Span of one partition of the table. Can not be changed.'),
    ttl: duration('1h', '100y').default('30d').describe('How long readings are kept: a whole multiple of partitionBy.'),
    rollups: z
      .array(rollup)
      .max(8)
      .meta(listMap('every'))
      .default([
        { every: '1m', ttl: '180d' },
        { every: '1h', ttl: '5y' },
      ])
      .describe('Summaries that outlive the readings: min, max, avg, last and count of each measurement per step.'),
    onDelete: z
      .enum(['Retain', 'Delete'])
      .default('Retain')
      .describe(
        'What becomes of the tables when the fleet is deleted. Retain keeps them, rollups included. The events of a namespace share a table: it goes with the last fleet, unless one that is gone was to be retained.',
      ),
  })
  .meta(
    rules(
      [
        `${celMs('self.ttl')} % ${partitionMs}[self.partitionBy] == 0`,
        'ttl must be a whole multiple of partitionBy: whole days for Day, weeks (w) for Week',
      ],
      [
        "self.partitionBy != 'Hour' || self.rollups.all(rollup, rollup.every.endsWith('m') || rollup.every == '1h')",
        'a rollup step must not span partitions, or it loses its first part when the first of them expires: with partitionBy Hour every must be at most 1h',
      ],
    ),
  )
  .prefault({})
  .describe('How readings are kept in the database.')

const writer = z
  .object({
    batchRows: z.int().min(1).max(100000).default(10000).describe('Rows after which a batch is written.'),
    flushInterval: duration('10ms', '1m')
      .default('500ms')
      .describe('Time after which a batch is written however small.'),
  })
  .prefault({})
  .describe('How readings are written to the database.')

export const deviceFleetSpec = z
  .object({
    suspend: z.boolean().default(false).describe('Stop converging this fleet; readings keep flowing as they did.'),
    topics,
    access,
    authentication,
    payload,
    measurements: z
      .array(measurement)
      .min(1)
      .max(200)
      .meta(listMap('name'))
      .describe(
        'The schema: fields of the messages and columns of the table. One added gets its column at once; one removed leaves its column.',
      ),
    limits,
    offlineAfter: duration('10s', '30d')
      .default('5m')
      .describe(
        'Silence after which a device counts as offline. The platform tells it, and that the device is back, as events device_offline and device_online.',
      ),
    ingest,
    stream,
    storage,
    writer,
  })
  .meta(
    rules(
      [sameDeviceLevel.rule, sameDeviceLevel.message],
      [
        `${celMs('self.payload.acceptPast')} <= ${celMs('self.storage.ttl')}`,
        'payload.acceptPast must not exceed storage.ttl: an older reading would vanish from the table at once',
      ],
      [
        '!self.measurements.exists(measurement, measurement.name == self.payload.timestampField)',
        'a measurement has the name of payload.timestampField; rename one of them',
      ],
    ),
  )
  .describe('What the fleet should be.')

export const deviceFleetStatus = z
  .object({
    observedGeneration,
    conditions,
    devices: z
      .object({
        registered: counted('Devices in the registry.'),
        online: counted('Devices heard of within offlineAfter.'),
      })
      .optional()
      .describe('How many devices there are.'),
  })
  .optional()
  .describe('What the fleet is, as far as it is known.')

/** Rules about the name of a fleet: it becomes part of streams, tables and topics. */
export const fleetNameRules = rules(
  ['self.metadata.name.size() <= 50', 'metadata.name must have at most 50 characters'],
  [
    "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    'metadata.name must be lower case letters, digits and -, without dots',
  ],
  [
    `!(self.metadata.name in [${quoted(RESERVED_FLEET_NAMES)}])`,
    `metadata.name must not be one of ${RESERVED_FLEET_NAMES.join(', ')}: every namespace has these tables`,
  ],
)

/** The spec with every default filled in. */
export type DeviceFleetSpec = z.output<typeof deviceFleetSpec>
/** The spec as it may be written. */
export type DeviceFleetInput = z.input<typeof deviceFleetSpec>
