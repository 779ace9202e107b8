/** AdmissionReview v1: what the API server asks before it takes a resource, and the answer that kubectl prints. */
import { isDeepStrictEqual } from 'node:util'
import type { AlertRuleSpec } from '@fleetloom/crds/alert-rule'
import type { DeviceFleetSpec } from '@fleetloom/crds/device-fleet'
import { GROUP } from '@fleetloom/crds/kinds'
import { z } from 'zod'
import { faultText } from '../alert-rule/check.ts'
import { judgeFleet, judgeRule, type Known, type Verdict } from './verdict.ts'

/** The API server has judged the objects by their schema, and filled in what they leave out. Nothing else of them is held. */
const object = z.object({
  metadata: z.object({ deletionTimestamp: z.string().optional() }),
  spec: z.unknown(),
})

export const admissionReview = z.object({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request: z.object({
    uid: z.string(),
    kind: z.object({ kind: z.string() }),
    name: z.string().default(''),
    namespace: z.string(),
    object: object.nullish(),
    oldObject: object.nullish(),
  }),
})

export type AdmissionReview = z.infer<typeof admissionReview>
type Request = AdmissionReview['request']

const FINE: Verdict = { faults: [], warnings: [] }

/** Status, finalizers and removal are never held up. */
const isSettled = ({ object: now, oldObject: before }: Request): boolean =>
  !now || now.metadata.deletionTimestamp !== undefined || (!!before && isDeepStrictEqual(now.spec, before.spec))

const verdictOf = async (known: Known, request: Request): Promise<Verdict> => {
  if (isSettled(request)) return FINE
  const { kind, namespace, name, object: now, oldObject } = request
  const ref = { namespace, name }
  const specs = <Spec>() => ({ before: oldObject?.spec as Spec | undefined, after: now?.spec as Spec })
  if (kind.kind === 'AlertRule') return judgeRule(known, ref, specs<AlertRuleSpec>())
  return kind.kind === 'DeviceFleet' ? judgeFleet(known, ref, specs<DeviceFleetSpec>()) : FINE
}

/** As the API server itself refuses what breaks a rule of the schema, so that kubectl prints both alike. */
const refusal = ({ kind, name }: Request, { faults }: Verdict) => ({
  code: 422,
  status: 'Failure',
  reason: 'Invalid',
  message: faultText(faults),
  details: {
    ...{ group: GROUP, kind: kind.kind, name },
    causes: faults.map(({ field, message }) => ({ reason: 'FieldValueInvalid', field, message })),
  },
})

/** The answer to a review, whose `uid` it bears. Nothing is changed by asking: a dry run is judged like any other. */
export const answer = async (known: Known, { apiVersion, kind, request }: AdmissionReview) => {
  const verdict = await verdictOf(known, request)
  const { faults, warnings } = verdict
  const allowed = faults.length === 0
  return {
    apiVersion,
    kind,
    response: {
      uid: request.uid,
      allowed,
      ...(!allowed && { status: refusal(request, verdict) }),
      ...(warnings.length > 0 && { warnings }),
    },
  }
}
