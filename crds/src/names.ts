/**
 * Every name that crosses a system, made in one place: streams, subjects, consumers, tables, KV keys, MQTT users.
 *
 * Kubernetes names may hold `-` but never `_`, and namespaces and fleets hold no `.`, so a single `_` or `.` between
 * parts can't be forged. An installation other than the default prefixes its names with `<installation>__`: the double
 * underscore appears nowhere else, so two installations can share a broker, a NATS and a database.
 */

export const DEFAULT_INSTALLATION = 'fleetloom'

/** A namespaced resource. */
export type Ref = { readonly namespace: string; readonly name: string }

/** A device id: what `{device}` stands for in a topic, and the last part of its MQTT user name. */
export const DEVICE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** Fleets may not take these: `<namespace>_events` is the namespace's events table. */
export const RESERVED_FLEET_NAMES = ['events', 'alerts'] as const

/** Columns of every telemetry table that are not measurements. */
export const RESERVED_COLUMNS = ['ts', 'device', 'digest'] as const

/** What a rollup holds of each measurement. */
export const ROLLUP_FOLDS = ['min', 'max', 'avg', 'last', 'count'] as const

export type RollupFold = (typeof ROLLUP_FOLDS)[number]

/**
 * Column of a rollup. The fold is always appended and holds no `_`, so the last `_` parts it from the measurement: two
 * measurements never share a column, not even `temp` and `temp_min` (`temp_min` is the first one's, `temp_min_min` the other's).
 */
export const rollupColumn = (measurement: string, fold: RollupFold): string => `${measurement}_${fold}`

/** Longest name of a table that QuestDB takes. */
export const MAX_TABLE_NAME = 127

export type Names = ReturnType<typeof namesOf>

const pair = ({ namespace, name }: Ref): string => `${namespace}_${name}`
const dotted = ({ namespace, name }: Ref): string => `${namespace}.${name}`

/** `namespace/name`, as people and kubectl write it. */
export const label = ({ namespace, name }: Ref): string => `${namespace}/${name}`

/** MQTT user name, client id and certificate CN of a device. */
export const deviceUser = (namespace: string, device: string): string => `${namespace}.${device}`

/** Longest common name that a certificate can hold (X.520), and so longest user name of a device with certificates. */
export const MAX_COMMON_NAME = 64

/** The device behind an MQTT user name; undefined for one of our own services, whose users hold no dot. */
export const deviceOfUser = (username: string): { namespace: string; device: string } | undefined => {
  const dot = username.indexOf('.')
  return dot < 0 ? undefined : { namespace: username.slice(0, dot), device: username.slice(dot + 1) }
}

/** A device's id as one token of a subject: a dot becomes `=`, which no id holds. */
export const deviceToken = (device: string): string => device.replaceAll('.', '=')

/** KV key of a device. */
export const deviceKey = (namespace: string, device: string): string => `${namespace}.${deviceToken(device)}`

/** KV key of a fleet's pipeline document. */
export const fleetKey = (fleet: Ref): string => `fleet.${dotted(fleet)}`

/** The fleet behind a pipeline key; undefined for a key of another kind. */
export const fleetOfKey = (key: string): Ref | undefined => {
  const [kind, namespace, name, rest] = key.split('.')
  return kind === 'fleet' && namespace && name && rest === undefined ? { namespace, name } : undefined
}

/** KV key of a rule's pipeline document. */
export const ruleKey = (rule: Ref): string => `rule.${dotted(rule)}`

/** The rule behind a pipeline key; undefined for a key of another kind. */
export const ruleOfKey = (key: string): Ref | undefined => {
  const [kind, namespace, name, rest] = key.split('.')
  return kind === 'rule' && namespace && name && rest === undefined ? { namespace, name } : undefined
}

/** KV key where a service reports what it applied of a fleet; ingest has one per session, the alerter one per shard. */
export const appliedKey = (service: 'ingest' | 'writer' | 'alerter', fleet: Ref, part = 0): string =>
  `${service}.${dotted(fleet)}.${part}`

/** KV key of the alerter's checkpoint of a shard; its chunks are below it. `*` stands for any shard. */
export const checkpointKey = (fleet: Ref, shard: number | '*'): string => `checkpoint.${dotted(fleet)}.${shard}`

/** KV key where a replica of a service shows that it is alive. */
export const memberKey = (service: string, replica: string): string => `member.${service}.${replica}`

/** KV key that claims a topic pattern for the fleet that holds it. Hex, as patterns hold `/`, `+`, `{` and `#`. */
export const topicClaimKey = (filter: string): string =>
  `topic.${Array.from(new TextEncoder().encode(filter), (byte) => byte.toString(16).padStart(2, '0')).join('')}`

/** Durable consumer of the alert stream from which notifications over MQTT are made. */
export const MQTT_CONSUMER = 'mqtt'

/** Durable consumer of the writer on a fleet's stream. */
export const WRITER_CONSUMER = 'writer'

/** A step that no rollup is longer than, and a generation that none reaches. */
const [LONGEST_EVERY, LAST_GENERATION] = ['30m', 9999]

/** Names of what the alerter makes and answers on. */
const alertNames = (installation: string, prefix: string, root: string) => ({
  /** The stream of the alerts' transitions: history and notifications are made from it. */
  alertStream: `${prefix}alerts`,
  alertSubjects: `${root}alert.>`,
  /** Subjects of all that happens to the alerts of a rule. */
  alertSubjectsOf: (rule: Ref) => `${root}alert.*.${dotted(rule)}.>`,
  /** Subjects of one partition: what happens to one alert is all in one, in order. */
  alertPartition: (partition: number) => `${root}alert.${partition}.>`,
  /** Subject of one transition. It ends in the transition's id, so that a repeat can be refused. */
  alertSubject: (partition: number, rule: Ref, device: string, id: string) =>
    `${root}alert.${partition}.${dotted(rule)}.${deviceToken(device)}.${id}`,
  /** Table of the alerts' transitions. */
  alertsTable: `${prefix}alerts`,
  /** Core NATS request subject on which the alerters answer for the shards of a fleet that they own. */
  askSubject: (fleet: Ref) => `${root}ask.${dotted(fleet)}`,
  /** MQTT user and client id of the alerter, which publishes alerts. */
  alerterUser: `${installation}_alerter`,
})

/** All names of one installation. */
export const namesOf = (installation: string = DEFAULT_INSTALLATION) => {
  const isDefault = installation === DEFAULT_INSTALLATION
  const prefix = isDefault ? '' : `${installation}__`
  const root = isDefault ? '' : `${installation}__.`
  const rollup = (fleet: Ref, every: string, generation = 1): string =>
    `${prefix}${pair(fleet)}_${every}${generation === 1 ? '' : `_g${generation}`}`
  return {
    installation,
    ...alertNames(installation, prefix, root),
    stream: (fleet: Ref) => `${prefix}fleet_${pair(fleet)}`,
    streamSubjects: (fleet: Ref) => `${root}fleet.${dotted(fleet)}.>`,
    telemetrySubject: (fleet: Ref, shard: number) => `${root}fleet.${dotted(fleet)}.telemetry.${shard}`,
    telemetrySubjects: (fleet: Ref) => `${root}fleet.${dotted(fleet)}.telemetry.*`,
    eventsSubject: (fleet: Ref) => `${root}fleet.${dotted(fleet)}.events`,
    deadLetters: `${prefix}dead_letters`,
    deadSubjects: `${root}dead.>`,
    deadSubject: (fleet: Ref, reason: string) => `${root}dead.${dotted(fleet)}.${reason}`,
    deadSubjectsOf: (fleet: Ref) => `${root}dead.${dotted(fleet)}.*`,
    /** Core NATS request subject on which the owner of a fleet takes a replayed MQTT message. */
    replaySubject: (fleet: Ref) => `${root}replay.${dotted(fleet)}`,
    table: (fleet: Ref) => `${prefix}${pair(fleet)}`,
    eventsTable: (namespace: string) => `${prefix}${namespace}_events`,
    /** Generation 1 bears no suffix. */
    rollup,
    /** Why the names of a fleet do not fit the database; undefined when they do, as all do in the default installation. */
    nameFault: (fleet: Ref): string | undefined => {
      const over = rollup(fleet, LONGEST_EVERY, LAST_GENERATION).length - MAX_TABLE_NAME
      return over > 0
        ? `the names of installation, namespace and fleet are together ${over} characters too long for a table`
        : undefined
    },
    /** Table that marks which tables are ours. */
    ownershipTable: `${installation}__tables`,
    /** What the users of all ingest sessions begin with. */
    ingestUsers: `${installation}_ingest_`,
    /** MQTT user and client id of one ingest session of a fleet. */
    ingestUser: (fleet: Ref, session = 0) => `${installation}_ingest_${pair(fleet)}_${session}`,
    buckets: {
      pipeline: `${installation}-pipeline`,
      applied: `${installation}-applied`,
      devices: `${installation}-devices`,
      alerts: `${installation}-alerts`,
      keys: `${installation}-keys`,
    },
  }
}
