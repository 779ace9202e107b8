/** Our kinds as the API server has them, and as the reconcilers see them. */
import { API_VERSION, GROUP, KINDS, VERSION } from '@fleetloom/crds/kinds'
import type { Ref } from '@fleetloom/crds/names'
import type { Kind, Resource, Status } from '../source.ts'
import type { KubeObject } from './watch.ts'

export type CustomObject = KubeObject & { readonly spec: unknown; readonly status?: Partial<Status> }

const part = encodeURIComponent

/** Path of all resources of a kind, or of those of one namespace. */
export const collectionPath = (kind: Kind, namespace?: string): string => {
  const within = namespace === undefined ? '' : `/namespaces/${part(namespace)}`
  return `/apis/${GROUP}/${VERSION}${within}/${KINDS[kind].plural}`
}

export const objectPath = (kind: Kind, { namespace, name }: Ref): string =>
  `${collectionPath(kind, namespace)}/${part(name)}`

/** The resource of an object; what is only the API server's goes. */
export const resourceOf = (kind: Kind, { metadata, spec, status }: CustomObject): Resource => {
  const { namespace = '', name, uid, generation = 1, deletionTimestamp, finalizers = [], annotations = {} } = metadata
  const { 'kubectl.kubernetes.io/last-applied-configuration': _, ...kept } = annotations
  return {
    kind,
    metadata: {
      namespace,
      name,
      uid,
      generation,
      finalizers,
      annotations: kept,
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
    spec,
    ...(status?.conditions && { status: { observedGeneration: 0, ...status, conditions: status.conditions } }),
  }
}

/**
 * What is sent to apply some fields. The uid makes sure that it is this very object: applied to one that is gone it would make a
 * new one.
 */
export const applied = ({ kind, metadata: { namespace, name, uid } }: Resource, fields: object): object => {
  const { metadata = {}, ...others } = fields as { metadata?: object }
  return { apiVersion: API_VERSION, kind, metadata: { namespace, name, uid, ...metadata }, ...others }
}
