import { isDeepStrictEqual } from 'node:util'
import type { FleetDocument } from '@fleetloom/shared/pipeline/fleet-document'
import { NO_GRANTS } from '../targets/pipeline/compile.ts'
import type { Stored } from '../targets/pipeline/documents.ts'
import type { FleetDeps } from './facts.ts'

/**
 * Writes a fleet's document. The api makes accounts by the grants it finds there, so what was read of the broker before other
 * grants stand there may lack accounts that follow the old ones: it counts no more where the fleet has devices.
 */
export const writeDocument = async (
  { documents, devices, accounts }: Pick<FleetDeps, 'documents' | 'devices' | 'accounts'>,
  document: FleetDocument,
  before: Stored<FleetDocument> | undefined,
): Promise<Stored<FleetDocument>> => {
  const stored = await documents.write(document, before)
  const grantsBefore = before?.document.grants ?? NO_GRANTS
  if (!isDeepStrictEqual(grantsBefore, document.grants) && devices.of(document).length > 0) accounts.forget()
  return stored
}
