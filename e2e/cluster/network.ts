/**
 * The addresses of one cluster, all in one 10.N.0.0/16 that nobody else on this machine uses: a link joins the machine to the
 * node's own network, and a route over it makes pods and Services reachable from here as from any machine beside the node.
 */
import { run } from '../tools/run.ts'

export type Addresses = {
  /** Name of the link's end on this machine. */
  readonly link: string
  readonly all: string
  /** This machine, as the node and its pods see it. */
  readonly machine: string
  readonly node: string
  readonly pods: string
  readonly services: string
  /** Of the Service `kubernetes`. */
  readonly api: string
}

const FIRST = 201
const LAST = 250
const UPLINK = 'uplink'

export const addressesOf = (n: number): Addresses => ({
  link: `fleetloom${n}`,
  all: `10.${n}.0.0/16`,
  machine: `10.${n}.255.1`,
  node: `10.${n}.255.2`,
  pods: `10.${n}.0.0/24`,
  services: `10.${n}.128.0/18`,
  api: `10.${n}.128.1`,
})

const ip = async (...args: string[]): Promise<string> => {
  const { code, output } = await run('ip', args)
  if (code !== 0) throw new Error(`ip ${args.join(' ')}: ${output.trim()}`)
  return output
}

/** Commands of the node's side. Which address a packet leaves from says where its answer goes, so the node needs no bridge. */
const nodeSide = ({ node, machine }: Addresses): string[][] => [
  ['ip', 'link', 'set', 'lo', 'up'],
  ['ip', 'address', 'add', `${node}/30`, 'dev', UPLINK],
  ['ip', 'link', 'set', UPLINK, 'up'],
  ['ip', 'route', 'add', 'default', 'via', machine],
  ['sysctl', '--quiet', '--write', 'net.ipv4.ip_forward=1'],
]

/** The kernel makes a link of one name once: whoever makes it has the number. */
const claim = async (pid: number): Promise<Addresses> => {
  let last = ''
  for (let n = FIRST; n <= LAST; n++) {
    const addresses = addressesOf(n)
    if ((await ip('-4', 'route', 'show', 'root', addresses.all)).trim() !== '') continue
    const peer = ['peer', 'name', UPLINK, 'netns', String(pid)]
    const { code, output } = await run('ip', ['link', 'add', addresses.link, 'type', 'veth', ...peer])
    if (code === 0) return addresses
    last = output.trim()
  }
  throw new Error(`no network of 10.${FIRST}.0.0/16 to 10.${LAST}.0.0/16 is free: ${last}`)
}

/**
 * Joins the network namespace of the process `pid` to this machine. The link and the route go when that namespace does.
 * @throws where this is not root, or no network is free.
 */
export const joinNetwork = async (pid: number): Promise<Addresses> => {
  const addresses = await claim(pid)
  await ip('address', 'add', `${addresses.machine}/30`, 'dev', addresses.link)
  await ip('link', 'set', addresses.link, 'up')
  for (const command of nodeSide(addresses)) {
    const { code, output } = await run('nsenter', ['--target', String(pid), '--net', '--', ...command])
    if (code !== 0) throw new Error(`${command.join(' ')} in the node: ${output.trim()}`)
  }
  await ip('route', 'add', addresses.all, 'via', addresses.node)
  return addresses
}
