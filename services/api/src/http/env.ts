import type { ApiKey } from '../keys/key.ts'

/** What middleware leaves for handlers. */
export type ApiEnv = { Variables: { requestId: string; key: ApiKey | undefined } }
