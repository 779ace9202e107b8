/** The webhook on a Kubernetes cluster. Certificates are made by code that is large, and needed there only. */
import { namesOf } from '@fleetloom/crds/names'
import type { ProcessContext } from '@fleetloom/shared/process/run'
import { checkRule } from '@fleetloom/shared/rules/language/check-rule'
import type { Certificates } from './admission/certificates.ts'
import type { Surroundings } from './admission/open.ts'
import type { Config } from './config.ts'

export const openWebhook = async (
  context: ProcessContext<Config>,
  around: Omit<Surroundings, 'names' | 'check'>,
): Promise<Certificates | undefined> => {
  const { openAdmission } = await import('./admission/open.ts')
  return openAdmission(context, { ...around, names: namesOf(context.config.installation), check: checkRule })
}
