/**
 * The one gate that every write to something outside of this process goes through, whatever it goes to: the API server, the
 * broker, NATS, the database. It is asked before the write, and throws when this replica may not write (any more).
 *
 * Each passage is published on the diagnostics channel `fleetloom:write`, so that an observer can count writes, or a test can
 * end the process between any two.
 */
import { channel } from 'node:diagnostics_channel'
import type { Broker } from '@fleetloom/shared/broker/broker'
import type { Nats } from '@fleetloom/shared/nats'
import type { KV } from '@nats-io/kv'
import { Counter, type Registry } from 'prom-client'
import type { Questdb } from '../targets/database/questdb-http.ts'

/** What is written to. */
export type Written = 'kubernetes' | 'nats' | 'broker' | 'database'

export type WriteGate = (to: Written, what: string) => void

const passages = channel('fleetloom:write')

/** A gate that lets pass whatever `mayWrite` does not throw at. */
export const createWriteGate = (registry: Registry, mayWrite: () => void): WriteGate => {
  const counter = new Counter({
    name: 'fleetloom_operator_external_writes_total',
    help: 'Requests that change something outside: at the API server, NATS, the broker or the database.',
    labelNames: ['to'],
    registers: [registry],
  })
  return (to, what) => {
    mayWrite()
    passages.publish({ to, what })
    counter.inc({ to })
  }
}

type Method<T> = { [K in keyof T]: T[K] extends (...args: never[]) => unknown ? K : never }[keyof T] & string

/** The same object, with these methods behind the gate. */
const gated = <T extends object>(target: T, methods: readonly Method<T>[], pass: (method: string) => void): T => {
  const names: ReadonlySet<unknown> = new Set(methods)
  return new Proxy(target, {
    get: (_, key) => {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (names.has(key)) pass(String(key))
        return Reflect.apply(value, target, args) as unknown
      }
    },
  })
}

export const gatedBroker = (broker: Broker, gate: WriteGate): Broker =>
  gated(broker, ['put', 'setAcl', 'setDisabled', 'kick', 'remove'], (method) => gate('broker', method))

const KV_WRITES = ['create', 'update', 'put', 'delete', 'purge'] as const satisfies readonly Method<KV>[]

export const gatedNats = (nats: Nats, gate: WriteGate): Nats => {
  const pass = (what: string) => gate('nats', what)
  const streams = gated(nats.jsm.streams, ['add', 'update', 'delete', 'purge'], (method) => pass(`streams.${method}`))
  const consumers = gated(nats.jsm.consumers, ['add', 'update', 'delete'], (method) => pass(`consumers.${method}`))
  const jsm = new Proxy(nats.jsm, {
    get: (target, key) => {
      if (key === 'streams') return streams
      if (key === 'consumers') return consumers
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const bucket: Nats['bucket'] = async (name, options) =>
    gated(await nats.bucket(name, options), KV_WRITES, (method) => pass(`${name}.${method}`))
  return Object.assign(Object.create(nats) as Nats, { jsm, bucket })
}

const QUERY = /^[\s(]*(select|show|with|explain)\b/i

export const gatedDatabase = (database: Questdb, gate: WriteGate): Questdb => ({
  sql: async (statement) => {
    if (!QUERY.test(statement)) gate('database', statement)
    return database.sql(statement)
  },
})
