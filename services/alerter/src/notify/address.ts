/**
 * Which addresses a webhook may reach. A rule's author names any host, so without this a tenant could have us call what only we can
 * reach: the cloud's metadata, the database beside us. Addresses that are not of the public internet are refused unless the platform
 * team allows their network. The name is resolved once and the connection goes to the address that was checked.
 */
import { BlockList, isIP } from 'node:net'
import type { Address } from './resolve.ts'

export class RefusedAddress extends Error {
  override name = 'RefusedAddress'
}

type Subnet = readonly [network: string, prefix: number]

/** IANA's special-purpose registries: private, loopback, link-local, carrier-grade NAT, documentation, benchmarks, multicast, reserved. */
const NOT_PUBLIC_4: readonly Subnet[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

/** Among IPv6, only 2000::/3 is public; within it, what embeds an IPv4 address or is documentation is not. */
const PUBLIC_6: Subnet = ['2000::', 3]
const NOT_PUBLIC_6: readonly Subnet[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]

const listOf = (subnets: readonly Subnet[], family: 'ipv4' | 'ipv6', list = new BlockList()): BlockList => {
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, family)
  return list
}

const notPublic4 = listOf(NOT_PUBLIC_4, 'ipv4')
const notPublic6 = listOf(NOT_PUBLIC_6, 'ipv6')
const public6 = listOf([PUBLIC_6], 'ipv6')

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

const isPublic = (address: string): boolean =>
  isIP(address) === 4
    ? !notPublic4.check(address)
    : public6.check(address, 'ipv6') && !notPublic6.check(address, 'ipv6')

const SUBNET = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/

/**
 * Networks out of a text such as `10.0.0.0/8,fd00::/8`.
 * @throws RangeError naming the part that is none.
 */
export const parseNetworks = (text: string): BlockList => {
  const list = new BlockList()
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    const [, network = '', prefix = ''] = SUBNET.exec(part.trim()) ?? []
    const most = { 0: -1, 4: 32, 6: 128 }[isIP(network)] ?? -1
    if (Number(prefix) > most) throw new RangeError(`${JSON.stringify(part.trim())} is no network such as 10.0.0.0/8`)
    list.addSubnet(network, Number(prefix), familyOf(network))
  }
  return list
}

export type Resolve = (host: string) => Promise<readonly Address[]>

/** Brackets are those of an IPv6 address in a URL. */
const bare = (host: string): string => host.replace(/^\[(.*)\]$/, '$1')

/**
 * An address of `host` that may be reached, to connect to as it is.
 * @throws RefusedAddress when it has none; the error of the resolver.
 */
export const checkedAddress = async (
  host: string,
  allowed: BlockList,
  resolve: Resolve,
): Promise<{ readonly address: string; readonly family: 4 | 6 }> => {
  const name = bare(host)
  const found = isIP(name) === 0 ? await resolve(name) : [{ address: name, family: isIP(name) }]
  const reachable = found.find(({ address }) => isPublic(address) || allowed.check(address, familyOf(address)))
  if (reachable) return { address: reachable.address, family: reachable.family === 6 ? 6 : 4 }
  throw new RefusedAddress(
    `${name} has no public address; the platform team can allow its network with WEBHOOK_ALLOWED_NETWORKS`,
  )
}
