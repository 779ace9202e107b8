import { Problem } from '../http/problem.ts'

/** The problem of an api that has no device CA. */
export const notConfigured = (): Problem =>
  new Problem('not-configured', 'this api has no CA for devices, so it signs no certificates', {
    next: 'Make one with: node services/api/src/make-device-ca.ts FOLDER, and start the api with DEVICE_CA_CERT_FILE and DEVICE_CA_KEY_FILE.',
  })
