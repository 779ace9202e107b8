/**
 * Where resources come from: YAML files in a folder, or the Kubernetes API. A source validates, defaults and keeps
 * metadata (uid, generation, deletionTimestamp, finalizers), so the reconcilers see the same from either.
 */
import type { Condition, Reason } from '@fleetloom/crds/conditions'
import type { Ref } from '@fleetloom/crds/names'

export type Kind = 'DeviceFleet' | 'AlertRule'

export type Metadata = Ref & {
  readonly uid: string
  /** Counts changes of the spec. */
  readonly generation: number
  /** RFC 3339; set once removal was asked for. The resource stays until its last finalizer is gone. */
  readonly deletionTimestamp?: string
  readonly finalizers: readonly string[]
  readonly annotations: Readonly<Record<string, string>>
}

export type Status = {
  readonly observedGeneration: number
  readonly conditions: readonly Condition[]
  /** Of a fleet. */
  readonly devices?: { readonly registered: number; readonly online: number }
  /** Of a rule: devices for which the alert fires, or is about to. */
  readonly firing?: number
  readonly pending?: number
  /** Of a rule: RFC 3339. */
  readonly lastEvaluated?: string
}

/** Valid by schema and CEL rules, with every default filled in. */
export type Resource<Spec = unknown> = {
  readonly kind: Kind
  readonly metadata: Metadata
  readonly spec: Spec
  readonly status?: Status
}

export type SourceEvent = { readonly type: 'Normal' | 'Warning'; readonly reason: Reason; readonly message: string }

/** A manifest that was refused. The last good version of its resources keeps running. */
export type Refusal = {
  readonly file: string
  readonly line: number
  /** Path of the field, e.g. `spec.measurements[0].type`; '' when the file as a whole is at fault. */
  readonly field: string
  readonly message: string
  /** The resource that the manifest speaks of, where it says so. */
  readonly resource?: Ref & { readonly kind: Kind }
}

export type Source = AsyncDisposable & {
  /** Calls `onChange` for every resource once and then whenever one changes (spec, deletion; not its status). */
  start(onChange: (kind: Kind, ref: Ref) => void): Promise<void>
  get(kind: Kind, ref: Ref): Promise<Resource | undefined>
  list(kind: Kind): Promise<readonly Resource[]>
  /** Replaces the status. The caller writes only what changed. */
  putStatus(kind: Kind, ref: Ref, status: Status): Promise<void>
  addFinalizer(kind: Kind, ref: Ref, finalizer: string): Promise<void>
  removeFinalizer(kind: Kind, ref: Ref, finalizer: string): Promise<void>
  /** Records an event about the resource; identical ones in a row are counted, and what is kept is bounded. */
  event(kind: Kind, ref: Ref, event: SourceEvent): Promise<void>
  /** Manifests refused now; empty for a source that refuses at admission. */
  refusals(): readonly Refusal[]
}
