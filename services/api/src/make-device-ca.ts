/** `node services/api/src/make-device-ca.ts FOLDER`: makes a CA for devices. */
import { messageOf } from '@fleetloom/shared/process/logger'
import { makeDeviceCa } from './certificates/make-ca.ts'

const [folder, ...more] = process.argv.slice(2)

if (folder === undefined || folder.startsWith('-') || more.length > 0) {
  process.stderr.write('usage: node services/api/src/make-device-ca.ts FOLDER\n')
  process.exit(2)
}
try {
  const { certFile, keyFile, listFile } = await makeDeviceCa(folder)
  process.stdout.write(`${certFile}\n${keyFile}\n${listFile}\n`)
} catch (error) {
  process.stderr.write(`make-device-ca: ${messageOf(error)}\n`)
  process.exit(1)
}
