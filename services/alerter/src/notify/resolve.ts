/**
 * Addresses of a webhook's name. Not `dns.lookup`: it runs in one of the few threads of the process for as long as a name server likes,
 * so some dead names of one namespace would hold up every other lookup: of the database, of NATS, of other webhooks. The resolver used
 * here takes no thread, gives up by itself, and ends with the attempt. It reads the hosts file as well, but tries no search domains:
 * names are full ones, such as `hook.tools.svc.cluster.local`. Without IPv4 of its own, the process takes IPv6 addresses first.
 */
import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

export type Address = { readonly address: string; readonly family: number }

type Settings = {
  /** Addresses of name servers; those of the system when left out. */
  readonly servers?: readonly string[]
  readonly hostsFile?: string
}

/** Per server, doubling from try to try. */
const PATIENCE = { timeout: 2_000, tries: 2 } as const

const addressOf = (address: string): Address => ({ address, family: isIP(address) })

/** What a hosts file says of a name. */
export const fromHosts = (text: string, name: string): Address[] =>
  text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
    .filter(([address = '', ...names]) => isIP(address) !== 0 && names.some((one) => one.toLowerCase() === name))
    .map(([address = '']) => addressOf(address))

const hasIpv4 = (): boolean =>
  Object.values(networkInterfaces()).some((all) => all?.some(({ family, internal }) => family === 'IPv4' && !internal))

/** Why neither question was answered: that there is nothing of one kind tells less than any other failure. */
const faultOf = (answers: readonly PromiseSettledResult<unknown>[]): unknown => {
  const faults = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  return faults.find(({ code }) => code !== 'ENODATA') ?? faults[0]
}

const ask = async (resolver: Resolver, name: string): Promise<Address[]> => {
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
  const [four, six] = answers.map((one) => (one.status === 'fulfilled' ? one.value.map(addressOf) : []))
  const found = hasIpv4() ? [...(four ?? []), ...(six ?? [])] : [...(six ?? []), ...(four ?? [])]
  if (found.length === 0) throw faultOf(answers)
  return found
}

/** All addresses of a name, at least one. @throws the error of the resolver, or what `signal` is aborted with */
export const resolveName = async (
  name: string,
  signal: AbortSignal,
  { servers, hostsFile = '/etc/hosts' }: Settings = {},
): Promise<readonly Address[]> => {
  const known = fromHosts(await readFile(hostsFile, 'utf8').catch(() => ''), name.toLowerCase())
  if (known.length > 0) return known
  signal.throwIfAborted()
  const resolver = new Resolver(PATIENCE)
  if (servers) resolver.setServers(servers)
  const cancel = (): void => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await ask(resolver, name)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}
