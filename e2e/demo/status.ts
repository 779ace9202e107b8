/** `make status`: the fleets of the running demo, as a table. */
import { runningDemo } from './folder.ts'

const running = runningDemo()
if (running === undefined) {
  process.stderr.write('no demo runs here; start one: make demo\n')
  process.exit(1)
}
const response = await fetch(`${running.operatorUrl}/status`, { headers: { accept: 'text/plain' } })
process.stdout.write(await response.text())
process.exit(response.ok ? 0 : 1)
