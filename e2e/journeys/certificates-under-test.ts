/** The platform with fleets whose devices log in with certificates, and what their tests do with it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type DeviceRequest, deviceRequest } from '../kit/certificates.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { connectDevice, type DeviceClient } from './mqtt-device.ts'

export const TRUCKS = '/v1/namespaces/cold/fleets/trucks/devices'
export const VANS = '/v1/namespaces/cold/fleets/vans/devices'
/** A fleet with passwords. */
export const SHEDS = '/v1/namespaces/cold/fleets/sheds/devices'
export const SHIPS = '/v1/namespaces/warm/fleets/ships/devices'
export const NOT_AUTHORIZED = 0x87

const fleet = (namespace: string, name: string, mode: string): string => `
apiVersion: fleetloom.io/v1alpha1
kind: DeviceFleet
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  authentication: {mode: ${mode}}
  measurements: [{name: temperature, type: Double}]
`

export type Signed = {
  readonly username: string
  readonly serial: string
  readonly notAfter: string
  readonly chain: string
}
export type Problem = {
  readonly detail: string
  readonly errors?: readonly { readonly field: string }[]
  readonly next: string
}
export type Registered = { readonly username: string; readonly secret?: string; readonly next: string }
type Line = { readonly status: number; readonly username?: string; readonly secret?: string }
/** A private key and a certificate with its chain, PEM. */
export type Login = { readonly key: string; readonly chain: string }

export type CertificatesUnderTest = ReturnType<typeof helpers> & AsyncDisposable & { readonly platform: Platform }

export const startCertificates = async (): Promise<CertificatesUnderTest> => {
  await using stack = new AsyncDisposableStack()
  const platform = stack.use(
    await startPlatform({
      certificates: true,
      manifests: {
        'trucks.yaml': fleet('cold', 'trucks', 'Certificate'),
        'vans.yaml': fleet('cold', 'vans', 'Certificate'),
        'ships.yaml': fleet('warm', 'ships', 'Certificate'),
        'sheds.yaml': fleet('cold', 'sheds', 'Password'),
      },
      env: { api: { DEVICE_CRL_DELAY_MS: '5000' }, operator: { RESYNC_MS: '2000' } },
    }),
  )
  for (const [namespace, name] of [
    ['cold', 'trucks'],
    ['cold', 'vans'],
    ['cold', 'sheds'],
    ['warm', 'ships'],
  ] as const)
    await platform.untilReady({ namespace, name })
  const parts = stack.move()
  return { platform, ...helpers(platform), [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

const helpers = (platform: Platform) => {
  const adminKey = readFileSync(platform.adminKeyFile, 'utf8').trim()

  /** Sends to the api, and gives status and body whatever they are. */
  const send = async <T>(method: string, path: string, body?: unknown, key = adminKey) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    const response = await fetch(`${platform.api.url}${path}`, { method, headers, body: JSON.stringify(body) ?? null })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: (text === '' ? {} : JSON.parse(text)) as T }
  }
  /** Registers a device per line of NDJSON; gives the lines of the answer. */
  const sendLines = async (path: string, body: string): Promise<Line[]> => {
    const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/x-ndjson' }
    const response = await fetch(`${platform.api.url}${path}`, { method: 'POST', headers, body })
    return (await response.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  }
  const register = async (device: string, devices = TRUCKS) =>
    (await send<Registered>('POST', devices, { device })).body
  const askFor = (device: string, { csr }: DeviceRequest, devices = TRUCKS, key = adminKey) =>
    send<Signed & Problem>('POST', `${devices}/${device}/certificate`, { csr }, key)

  /** A new certificate for a registered device, as soon as it may have one. */
  const enrol = async (device: string, devices = TRUCKS): Promise<Login & Signed> => {
    const request = await deviceRequest('')
    const ask = async () => {
      const { status, body } = await askFor(device, request, devices)
      return status === 201 ? body : assert.fail(`${status} ${body.detail}`)
    }
    return { ...(await until(ask, { what: `the certificate of ${device}` })), key: request.key }
  }
  const registerAndEnrol = async (device: string, devices = TRUCKS): Promise<Login & Signed> => {
    await register(device, devices)
    return enrol(device, devices)
  }

  /** Over TLS, with a user name and a password that nobody asks for. */
  const connect = ({ key, chain }: Login, options = {}): Promise<DeviceClient> => {
    const { tls } = platform.mosquitto
    assert.ok(tls)
    const login = { url: tls.url, username: 'whoever', password: 'whatever' }
    return connectDevice(login, { ca: readFileSync(tls.caFile), cert: chain, key, ...options })
  }
  const isLetIn = async (login: Login): Promise<boolean> => {
    try {
      await using device = await connect(login)
      return device.client.connected
    } catch {
      return false
    }
  }
  const untilRefused = (login: Login) =>
    until(async () => !(await isLetIn(login)), { what: 'the certificate to be refused', deadlineMs: 20_000 })
  return { send, sendLines, register, askFor, enrol, registerAndEnrol, connect, isLetIn, untilRefused }
}

/** Topic of a device in namespace `cold`. */
export const telemetry = (device: string, fleetName = 'trucks'): string =>
  `fleets/cold/${fleetName}/${device}/telemetry`
export const reading = (temperature: number): string => JSON.stringify({ ts: Date.now(), temperature })
