import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkedAddress, parseNetworks, RefusedAddress } from './address.ts'

const none = parseNetworks('')

const refused = async (host: string, allowed = none, addresses: string[] = []) => {
  const resolve = async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  try {
    await checkedAddress(host, allowed, resolve)
    return false
  } catch (error) {
    assert.ok(error instanceof RefusedAddress, String(error))
    return true
  }
}

test('addresses that are not of the public internet are refused, in each way to write them', async () => {
  const hosts = [
    '127.0.0.1',
    '0.0.0.0',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[fe80::1]',
    '[fd00::1]',
    '[ff02::1]',
  ]
  for (const host of hosts) assert.equal(await refused(host), true, host)
  for (const host of ['1.1.1.1', '172.32.0.1', '[2606:4700::1111]']) assert.equal(await refused(host), false, host)
})

test('a URL writes addresses in one form only, whatever was given', () => {
  for (const odd of ['http://2130706433/', 'http://0x7f.1/', 'http://0177.0.0.1/', 'http://127.1/'])
    assert.equal(new URL(odd).hostname, '127.0.0.1')
})

test('a name that leads to a private address is refused, unless it has a public one, which is then used', async () => {
  assert.equal(await refused('rebind.example', none, ['10.0.0.1', '::1']), true)
  const resolve = async () => [
    { address: '10.0.0.1', family: 4 },
    { address: '1.1.1.1', family: 4 },
  ]
  assert.deepEqual(await checkedAddress('both.example', none, resolve), { address: '1.1.1.1', family: 4 })
})

test('networks that the platform team allows can be reached', async () => {
  const allowed = parseNetworks('10.0.0.0/8, fd00::/8')
  assert.equal(await refused('10.1.2.3', allowed), false)
  assert.equal(await refused('[fd00::1]', allowed), false)
  assert.equal(await refused('127.0.0.1', allowed), true)
})

test('what is no network is refused by name', () => {
  for (const text of ['10.0.0.0', '10.0.0.0/33', 'fd00::/129', 'local/8', '10.0.0.0/8,x'])
    assert.throws(() => parseNetworks(text), RangeError, text)
})
