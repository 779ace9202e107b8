/** The api as a person with the admin key uses it. */
import { readFileSync } from 'node:fs'
import { label, type Ref } from '@fleetloom/crds/names'

/** A registered device and how it logs in at the broker. */
export type Device = Ref & { readonly device: string; readonly username: string; readonly password: string }

export type NewDevice = {
  readonly device: string
  readonly type?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly displayName?: string
}

export type ApiClient = {
  /** Calls the api with the admin key and gives the JSON answer. @throws on a status other than 2xx, with the problem. */
  call<T = unknown>(method: string, path: string, body?: unknown): Promise<T>
  /** Registers a device, or gives it a new secret when it is registered already. */
  register(fleet: Ref, device: string | NewDevice): Promise<Device>
  /** Registers new devices in one request. @throws when one was refused, with its report */
  registerAll(fleet: Ref, devices: readonly string[]): Promise<void>
}

export class ApiError extends Error {
  override name = 'ApiError'
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const CREATED = 201
const CONFLICT = 409

export const devicesPath = ({ namespace, name }: Ref): string => `/v1/namespaces/${namespace}/fleets/${name}/devices`

export const createApiClient = (url: string, adminKeyFile: string): ApiClient => {
  const exchange = async (method: string, path: string, type: string, body: string | undefined): Promise<string> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${readFileSync(adminKeyFile, 'utf8').trim()}`, 'content-type': type },
      ...(body !== undefined && { body }),
    })
    const text = await response.text()
    if (!response.ok) throw new ApiError(response.status, `${method} ${path}: ${response.status} ${text}`)
    return text
  }
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const text = await exchange(method, path, 'application/json', body === undefined ? undefined : JSON.stringify(body))
    return (text === '' ? undefined : JSON.parse(text)) as T
  }
  type Answer = { readonly device: string; readonly username: string; readonly secret: string }
  const register = async (fleet: Ref, wanted: string | NewDevice): Promise<Device> => {
    const spec = typeof wanted === 'string' ? { device: wanted } : wanted
    const path = devicesPath(fleet)
    const answer = await call<Answer>('POST', path, spec).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== CONFLICT) throw error
      return call<Answer>('POST', `${path}/${encodeURIComponent(spec.device)}/rotate`)
    })
    const { device, username, secret } = answer
    return { namespace: fleet.namespace, name: fleet.name, device, username, password: secret }
  }
  const registerAll = async (fleet: Ref, devices: readonly string[]): Promise<void> => {
    const lines = devices.map((device) => JSON.stringify({ device })).join('\n')
    const report = await exchange('POST', devicesPath(fleet), 'application/x-ndjson', lines)
    const refused = report.split('\n').find((line) => line !== '' && JSON.parse(line).status !== CREATED)
    if (refused !== undefined) throw new Error(`a device was not registered: ${refused}`)
  }
  return { call, register, registerAll }
}

/** `namespace/fleet/device`, for messages. */
export const deviceLabel = (device: Device): string => `${label(device)}/${device.device}`
