import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Kind } from '../source/source.ts'

export type LoopMetrics = ReturnType<typeof createLoopMetrics>

/** Metrics of the loop, the same for every kind. */
export const createLoopMetrics = (registry: Registry, queueDepth: () => number) => {
  const registers = [registry]
  const duration = new Histogram({
    name: 'fleetloom_operator_reconcile_duration_seconds',
    help: 'Time one reconcile took.',
    labelNames: ['kind'],
    buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
    registers,
  })
  const errors = new Counter({
    name: 'fleetloom_operator_reconcile_errors_total',
    help: 'Steps that failed, by reason.',
    labelNames: ['kind', 'reason'],
    registers,
  })
  const writes = new Counter({
    name: 'fleetloom_operator_writes_total',
    help: 'Changes made to a target. An unchanged resource makes none.',
    labelNames: ['target'],
    registers,
  })
  const repairs = new Counter({
    name: 'fleetloom_operator_repairs_total',
    help: 'Changes that put right what was changed by hand.',
    labelNames: ['target'],
    registers,
  })
  new Gauge({
    name: 'fleetloom_operator_queue_depth',
    help: 'Resources due and not yet taken.',
    registers,
    collect() {
      this.set(queueDepth())
    },
  })
  return {
    reconciled: (kind: Kind, seconds: number) => duration.observe({ kind }, seconds),
    failed: (kind: Kind, reason: string) => errors.inc({ kind, reason }),
    wrote: (target: string, repair: boolean) => {
      writes.inc({ target })
      if (repair) repairs.inc({ target })
    },
  }
}
