import type { FleetDocument } from '../pipeline/fleet-document.ts'
import type { Acl } from './broker.ts'

/** A pattern with `{device}` filled in and `{measurement}` as a wildcard level. */
export const filterFor = (pattern: string, device: string): string =>
  pattern.replaceAll('{device}', device).replaceAll('{measurement}', '+')

/** What a device of this fleet may do now. Pure, so the api and the operator always agree. */
export const aclOf = ({ grants }: Pick<FleetDocument, 'grants'>, device: string): Acl => ({
  publish: grants.publish.map((pattern) => filterFor(pattern, device)),
  subscribe: grants.subscribe.map((pattern) => filterFor(pattern, device)),
})

/** What a disabled device may do. */
export const NO_ACCESS: Acl = { publish: [], subscribe: [] }
