/** Refusals look as docs/devices.md says, on MQTT 3.1.1 and on MQTT 5. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { answerOf, openRaw, type RawSession } from '../clients/raw-mqtt.ts'
import { type Device, devicesPath } from '../kit/api-client.ts'
import { type Platform, startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'
import { ROOT } from '../tools/paths.ts'

const DOC = readFileSync(join(ROOT, 'docs', 'devices.md'), 'utf8')
const REEFERS = { namespace: 'coldchain', name: 'reefers' }
const OWN = 'fleets/coldchain/reefers/truck-7/telemetry'
const FOREIGN = 'fleets/coldchain/reefers/truck-8/telemetry'
const NAMES: Readonly<Record<number, string>> = {
  130: 'protocol error',
  135: 'not authorized',
  149: 'packet too large',
  152: 'administrative action',
}

type Version = 4 | 5

/** What the page says under MQTT 3.1.1 or 5 in the row that starts with `first`. */
const wordsOnPage = (first: string, version: Version): string => {
  const line = DOC.split('\n').find((text) => text.startsWith(`| ${first} |`))
  assert.ok(line, `docs/devices.md has no row "${first}"`)
  const cell = line.split('|')[version - 2] as string
  return cell.trim().replace('the first connection is closed', 'closed')
}

/** What the broker answered last, in the words of the page. */
const wordsOf = (session: RawSession, version: Version): string => {
  const answer = answerOf(session)
  const fate = session.isClosed() ? 'closed' : ''
  if (answer === undefined) return fate === '' ? 'no answer' : fate
  const { packet, code } = answer
  const name = version === 5 && code in NAMES ? ` (${NAMES[code]})` : ''
  const outcome = code === 0 ? `${packet}, as if accepted` : `${packet} ${code}${name}`
  return fate === '' ? outcome : `${outcome}, ${fate}`
}

/** The broker takes packets in their order: once it answers this one, it has no answer to what was sent before. */
const untilPingresp = async ({ send, received }: RawSession): Promise<void> => {
  const indexOf = () => received.findIndex(({ cmd }) => cmd === 'pingresp')
  send({ cmd: 'pingreq' })
  await until(() => indexOf() >= 0, { what: 'PINGRESP' })
  received.splice(indexOf(), 1)
}

const settled = async (session: RawSession, first: string, version: Version): Promise<void> => {
  const wanted = wordsOnPage(first, version)
  const matches = () => wordsOf(session, version) === wanted
  if (wanted === 'no answer') await untilPingresp(session)
  await until(matches, { what: `the broker to say "${wanted}"` }).catch(() => undefined)
  assert.equal(wordsOf(session, version), wanted)
}

let platform: Platform

before(async () => {
  const yaml = readFileSync(join(ROOT, 'crds', 'examples', 'reefers.yaml'), 'utf8')
  platform = await startPlatform({ manifests: { 'reefers.yaml': yaml } })
  await platform.untilReady(REEFERS)
})

after(() => platform?.[Symbol.asyncDispose]())

const open = (version: Version, { username, password }: Device): Promise<RawSession> =>
  openRaw({ port: platform.mosquitto.port, version, clientId: 'any', username, password })

const untilConnack = (session: RawSession) => until(() => session.received.length > 0, { what: 'CONNACK' })

const publish =
  (topic: string, qos: 0 | 1 | 2, payload: string | Buffer = '{}', bytes?: number) =>
  (session: RawSession) =>
    session.send({ cmd: 'publish', topic, payload, qos, dup: false, retain: false, messageId: 1 }, bytes)

/** Of a packet that is too large the broker reads no more; what it left unread would reset the connection and its answer with it. */
const FIXED_HEADER_BYTES = 4

const disable = ({ device }: Device) => platform.call('POST', `${devicesPath(REEFERS)}/${device}/disable`)

const afterLogin: Readonly<Record<string, (session: RawSession, device: Device) => unknown>> = {
  'publish at QoS 0 to a topic it may not use': publish(FOREIGN, 0),
  'publish at QoS 1 to a topic it may not use': publish(FOREIGN, 1),
  'publish at QoS 2 to a topic it may not use': publish(FOREIGN, 2),
  'publish to a topic with a wildcard': publish('fleets/+/reefers', 1),
  'subscribe to a topic it may not use': (session) =>
    session.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 1 }] }),
  'a packet beyond 1,114,112 bytes': publish(OWN, 1, Buffer.alloc(1_114_112), FIXED_HEADER_BYTES),
  'disabled or deleted while connected': (_, device) => disable(device),
  'the device connects a second time': async (_, device) => {
    await using second = await open(5, device)
    await untilConnack(second)
  },
}

for (const version of [4, 5] as const) {
  Object.entries(afterLogin).forEach(([name, act], i) => {
    test(`${name}, MQTT ${version}`, async () => {
      const device = await platform.register(REEFERS, `refused-${version}-${i}`)
      await using session = await open(version, device)
      await untilConnack(session)
      await act(session, device)
      await settled(session, name, version)
    })
  })

  test(`wrong password, unknown or disabled device, MQTT ${version}`, async () => {
    const off = await platform.register(REEFERS, `off-${version}`)
    await disable(off)
    const known = await platform.register(REEFERS, `on-${version}`)
    const strangers = [{ ...known, password: 'wrong' }, { ...known, username: 'coldchain.nobody' }, off]
    for (const stranger of strangers) {
      await using session = await open(version, stranger)
      await settled(session, 'wrong password, unknown or disabled device', version)
    }
  })
}
