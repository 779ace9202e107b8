/** The table of the alerts' transitions in QuestDB: made by the operator, written from the alert stream, read by the api. */

/** Name and type of each column; the first is the designated timestamp, the event time of the transition. */
export const ALERT_COLUMNS = [
  ['ts', 'TIMESTAMP'],
  ['namespace', 'SYMBOL'],
  ['fleet', 'SYMBOL'],
  ['rule', 'SYMBOL'],
  ['device', 'SYMBOL'],
  ['from', 'SYMBOL'],
  ['to', 'SYMBOL'],
  ['cause', 'SYMBOL'],
  ['severity', 'SYMBOL'],
  ['value', 'DOUBLE'],
  ['id', 'VARCHAR'],
  ['rule_uid', 'VARCHAR'],
  ['firing_since', 'TIMESTAMP'],
  /** JSON objects. */
  ['labels', 'VARCHAR'],
  ['annotations', 'VARCHAR'],
] as const

/** A transition that is written again is the same row. */
export const ALERT_KEYS = ['ts', 'namespace', 'rule', 'device', 'to'] as const
