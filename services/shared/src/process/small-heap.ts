/**
 * Keeps the young generation at its first size. Left alone V8 grows it to 32 MB, which no process here needs: the hot
 * paths allocate next to nothing (measured on ingest: 30 MB less, at the same CPU time per message). Imported first, for its
 * effect.
 */
import { setFlagsFromString } from 'node:v8'

setFlagsFromString('--semi-space-growth-factor=1')
