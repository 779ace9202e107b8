/** Loaded before the operator (`node --import`): it may write once, and is killed when it is about to write again. */
import { subscribe } from 'node:diagnostics_channel'
import { writeSync } from 'node:fs'

const STDERR = 2

let writes = 0
subscribe('fleetloom:write', (write) => {
  writes++
  writeSync(STDERR, `${writes === 1 ? 'writes' : 'is killed before it writes'} ${JSON.stringify(write)}\n`)
  if (writes > 1) process.kill(process.pid, 'SIGKILL')
})
