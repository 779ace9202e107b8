import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FilesSource } from '../source/files.ts'
import { type StatusPage, statusText } from './page.ts'

const pageOf = async (source: FilesSource): Promise<StatusPage> => ({
  resources: [...(await source.list('DeviceFleet')), ...(await source.list('AlertRule'))],
  refused: source.refusals(),
  events: source.events(),
})

/** `?output=json` or `?output=table`; without it JSON for whoever accepts JSON by name, else the table. */
const wantsJson = ({ url = '/', headers }: IncomingMessage): boolean => {
  const output = new URL(url, 'http://operator').searchParams.get('output')
  return output === null ? (headers.accept ?? '').includes('application/json') : output === 'json'
}

/** Handler of `GET /status`. */
export const statusRoute =
  (source: FilesSource) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const page = await pageOf(source)
    const json = wantsJson(request)
    response.writeHead(200, { 'content-type': json ? 'application/json' : 'text/plain; charset=utf-8' })
    response.end(json ? `${JSON.stringify(page)}\n` : statusText(page, Date.now()))
  }
