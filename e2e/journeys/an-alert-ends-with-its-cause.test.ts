/**
 * What ends an alert beside its condition: the rule is edited or deleted, the device or the fleet goes. FLEETLOOM_FULL=1 deletes a fleet
 * while no alerter runs, too, which takes a minute.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { devicesPath } from '../kit/api-client.ts'
import { until } from '../kit/until.ts'
import { type AlertingUnderTest, FLEET, fleetYaml, shown, startAlerting } from './alerting-under-test.ts'

const FULL = process.env.FLEETLOOM_FULL === '1'
const HOT = 'last(temperature) > 8.0'

let under: AlertingUnderTest

before(async () => {
  under = await startAlerting()
})
after(() => under[Symbol.asyncDispose]())

test('a rule that notifies the Alertmanager of a platform that has none says what to do', async () => {
  await under.applyRule('unheard', HOT, { notify: [{ alertmanager: {} }] })
  const missing = async () => {
    const { status } = (await shown(under.platform, 'AlertRule', { ...FLEET, name: 'unheard' })) ?? {}
    return status?.conditions?.find(({ type }) => type === 'ReceiverMissing')
  }
  const said = await until(missing, { what: 'the condition', deadlineMs: 20_000 })
  assert.equal(said.status, 'True')
  assert.match(said.message, /ALERTMANAGER_URLS/)
})

test('a rule that is edited while it fires resolves when the new expression says so, and only then', async () => {
  await using one = await under.sender('edited')
  await under.applyRule('edit', HOT)
  await one.send(9)
  await under.untilStories('edit', { edited: ['firing'] })
  await under.applyRule('edit', 'last(temperature) > 8.5')
  await one.send(8.7)
  await under.applyRule('edit', 'last(temperature) > 10.0')
  await under.untilStories('edit', { edited: ['firing', 'resolved by condition'] })
})

test('a device that is removed, one whose labels match no more, and a rule that is deleted end the alert once', async () => {
  const labels = { cargo: 'vaccine' }
  await using removed = await under.sender({ device: 'removed', labels })
  await using moved = await under.sender({ device: 'moved', labels })
  await using left = await under.sender({ device: 'left', labels })
  await under.applyRule('delete', HOT, { selector: { matchLabels: labels } })
  for (const each of [removed, moved, left]) await each.send(9)
  const firing = { removed: ['firing'], moved: ['firing'], left: ['firing'] }
  await under.untilStories('delete', firing)
  await under.platform.call('DELETE', `${devicesPath(FLEET)}/removed`)
  await under.platform.call('PATCH', `${devicesPath(FLEET)}/moved`, { labels: { cargo: 'fruit' } })
  const removedStory = ['firing', 'resolved by device-removed']
  const movedStory = ['firing', 'resolved by rule-changed']
  await under.untilStories('delete', { removed: removedStory, moved: movedStory, left: ['firing'] })
  under.removeRule('delete')
  const all = { removed: removedStory, moved: movedStory, left: ['firing', 'resolved by rule-removed'] }
  await under.untilStories('delete', all)
  await under.platform.alerter.kill()
  await under.platform.alerter.start()
  await left.send(9)
  await under.applyRule('seen', HOT)
  await left.send(9.5)
  await under.untilStories('seen', { left: ['firing'] })
  await under.untilStories('delete', all)
})

test('changes made while the alerter is away end alerts once it is back', async () => {
  await using stays = await under.sender('stays')
  await using goes = await under.sender('goes')
  await under.applyRule('away', HOT)
  await under.applyRule('away-too', HOT)
  for (const each of [stays, goes]) await each.send(9)
  for (const rule of ['away', 'away-too']) await under.untilStories(rule, { stays: ['firing'], goes: ['firing'] })
  await under.platform.alerter.kill()
  under.removeRule('away-too')
  await under.platform.call('DELETE', `${devicesPath(FLEET)}/goes`)
  await under.platform.alerter.start()
  await under.untilStories('away', { stays: ['firing'], goes: ['firing', 'resolved by device-removed'] })
  await stays.send(5)
  await under.untilStories('away', { stays: ['firing', 'resolved by condition'] })
  await under.untilStories('away-too', { stays: ['firing', 'resolved by rule-removed'] })
  const ofGoes = async () =>
    (await under.rows('away-too')).filter(({ device }) => device === 'goes').map(({ to }) => to)
  await until(async () => (await ofGoes()).length >= 2, { what: 'the end for the device that went' })
  assert.deepEqual(await ofGoes(), ['firing', 'resolved'])
})

test('a fleet that is deleted ends its alerts once', async () => {
  await using one = await under.sender('last')
  await under.applyRule('fleet', HOT)
  await one.send(9)
  await under.untilStories('fleet', { last: ['firing'] })
  under.platform.remove('reefers.yaml')
  await under.untilStories('fleet', { last: ['firing', 'resolved by fleet-removed'] }, 60_000)
  under.platform.apply('reefers.yaml', fleetYaml())
  await under.platform.untilReady(FLEET, { deadlineMs: 60_000 })
  await using again = await under.sender('again')
  await under.applyRule('anew', HOT)
  await again.send(9)
  await under.untilStories('anew', { again: ['firing'] })
  await under.untilStories('fleet', { last: ['firing', 'resolved by fleet-removed'] })
})

test('a fleet that is deleted while no alerter runs ends its alerts once', {
  skip: !FULL && 'only with FLEETLOOM_FULL=1',
}, async () => {
  await using one = await under.sender('unseen')
  await under.applyRule('unseen', HOT)
  await one.send(9)
  await under.untilStories('unseen', { unseen: ['firing'] })
  await under.platform.alerter.kill()
  under.platform.remove('reefers.yaml')
  await until(async () => (await under.platform.fleets()).length === 0, { what: 'the fleet to go', deadlineMs: 60_000 })
  await under.platform.alerter.start()
  await under.untilStories('unseen', { unseen: ['firing', 'resolved by fleet-removed'] }, 90_000)
})
