/**
 * Keeps the young generation at its first size. Left alone V8 grows it to 32 MB, which nothing here needs: the hot path
 * allocates next to nothing (measured: 30 MB less, at the same CPU time per message). Imported first, for its effect.
 */
import { setFlagsFromString } from 'node:v8'

setFlagsFromString('--semi-space-growth-factor=1')
