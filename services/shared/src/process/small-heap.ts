/**
 * Keeps the heap small. Imported first, for its effect.
 *
 * - The young generation stays at its first size. Left alone V8 grows it to 32 MB, which no process here needs: the hot paths
 *   allocate next to nothing (measured on ingest: 30 MB less, at the same CPU time per message).
 * - The old generation is collected when it has grown by a third and not when it has doubled (measured on the operator with
 *   1,000 fleets, of which 50 MB are alive: 85 MB instead of 170).
 */
import { setFlagsFromString } from 'node:v8'

setFlagsFromString('--semi-space-growth-factor=1')
setFlagsFromString('--heap-growing-percent=30')
