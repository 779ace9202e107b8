import type { Names } from '@fleetloom/crds/names'
import { openAlertsBucket } from '@fleetloom/shared/alerts/bucket'
import type { Nats } from '@fleetloom/shared/nats'
import type { Query } from '@fleetloom/shared/questdb/query'
import { FiringAlerts } from './firing.ts'
import type { AlertParts } from './routes.ts'
import { SilenceStore } from './silences.ts'

type Surroundings = { readonly nats: Nats; readonly names: Names; readonly database: Query | undefined }

/** What the routes of alerts need. */
export const openAlerts = async ({ nats, names, database }: Surroundings): Promise<AlertParts['alerts']> => {
  const bucket = names.buckets.alerts
  const kv = await openAlertsBucket(nats, names)
  return {
    firing: new FiringAlerts({ kv, jsm: nats.jsm, bucket }),
    silences: new SilenceStore(kv),
    query: database,
    table: names.alertsTable,
  }
}
