/**
 * One shard of a fleet: the engine, where it stands in the stream, and its checkpoints.
 *
 * What the engine finds (transitions, devices that went offline or came back) is published before a checkpoint that covers it is
 * written. So after a crash the shard goes on from the checkpoint, finds the same again, and the stream refuses what it has.
 */
import type { Ref } from '@fleetloom/crds/names'
import type { RuleDocument } from '@fleetloom/shared/alerts/rule-document'
import { batchInfo } from '@fleetloom/shared/pipeline/batch'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { shardOf } from '@fleetloom/shared/pipeline/shard'
import { type Logger, messageOf } from '@fleetloom/shared/process/logger'
import type { JsMsg } from '@nats-io/jetstream'
import { Overtaken, type Position } from '../checkpoint/store.ts'
import type { KnownFleet, Labels } from './known.ts'
import { Outstanding } from './outstanding.ts'
import type { AlerterParts } from './parts.ts'

/** A shard that took marks only changes little: its checkpoint may be this old. */
const QUIET_CHECKPOINT_MS = 300_000
