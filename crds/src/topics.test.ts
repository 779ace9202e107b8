import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { deviceFleetSpec } from './device-fleet.ts'
import {
  allPatterns,
  claimsOf,
  deviceLevel,
  fillFleet,
  filterOf,
  GrantError,
  isGranted,
  notGranted,
  overlaps,
  parseGrants,
  ungranted,
} from './topics.ts'

const REEFERS = { namespace: 'coldchain', name: 'reefers' }

/** Whether a filter matches a topic, level by level (MQTT 5, section 4.7). */
const matches = (filter: string, topic: string): boolean => {
  const [want, have] = [filter.split('/'), topic.split('/')]
  const rest = want.indexOf('#')
  const fixed = rest < 0 ? want : want.slice(0, rest)
  if (rest < 0 ? have.length !== fixed.length : have.length < fixed.length) return false
  return fixed.every((level, i) => level === '+' || level === have[i])
}

/** Every topic of up to four levels out of `words`. */
const topicsOf = (words: readonly string[]): string[] => {
  const longer = (topics: string[]): string[] => topics.flatMap((topic) => words.map((word) => `${topic}/${word}`))
  const one = [...words]
  const two = longer(one)
  const three = longer(two)
  return [...one, ...two, ...three, ...longer(three)]
}

const TOPICS = topicsOf(['a', 'b', 'c'])

const filter = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '+'), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([levels, open]) => [...levels, ...(open ? ['#'] : [])].join('/'))

test('two filters overlap exactly where some topic matches both', () => {
  fc.assert(
    fc.property(filter, filter, (a, b) => {
      const some = TOPICS.some((topic) => matches(a, topic) && matches(b, topic))
      assert.equal(overlaps(a, b), some)
      assert.equal(overlaps(b, a), some)
    }),
    { numRuns: 2000 },
  )
})

test('# alone meets everything, and a filter meets itself', () => {
  fc.assert(fc.property(filter, (a) => assert.ok(overlaps('#', a) && overlaps(a, '#') && overlaps(a, a))))
})

test('a pattern becomes the filter of all its topics', () => {
  const pattern = 'fleets/{namespace}/{fleet}/{device}/telemetry/{measurement}'
  assert.equal(fillFleet(pattern, REEFERS), 'fleets/coldchain/reefers/{device}/telemetry/{measurement}')
  assert.equal(filterOf(fillFleet(pattern, REEFERS)), 'fleets/coldchain/reefers/+/telemetry/+')
  assert.equal(deviceLevel(pattern), 3)
  assert.equal(deviceLevel('a/b'), -1)
})

test('grants are read from the flag', () => {
  assert.deepEqual(parseGrants('sensors/=coldchain, plant/a/=factory-1,'), [
    { prefix: 'sensors/', namespace: 'coldchain' },
    { prefix: 'plant/a/', namespace: 'factory-1' },
  ])
  assert.deepEqual(parseGrants(''), [])
})

test('a grant that is not PREFIX/=NAMESPACE, or gives away what is not to give, is refused', () => {
  for (const text of ['sensors=a', 'sensors/', '/=a', '=a', 'sensors/=', '/sensors/=a', 'sensors//=a', 'sensors/+/=a'])
    assert.throws(() => parseGrants(text), GrantError)
  for (const text of ['$SYS/=a', '$share/g/=a', '#/=a', 'sensors/#=a', '{device}/=a', 'sensors/=A', 'sensors/=a b'])
    assert.throws(() => parseGrants(text), GrantError)
  for (const text of ['fleets/=a', 'fleets/b/=a', 'fleetloom/=a'])
    assert.throws(() => parseGrants(text), /fleet(s|loom)\/ can't be granted$/)
})

test('a prefix inside the prefix of another namespace is refused, as its devices could speak for the other', () => {
  assert.throws(
    () => parseGrants('sensors/=a,sensors/=b'),
    /sensors\/ of b lies inside sensors\/, which is granted to a/,
  )
  assert.throws(() => parseGrants('sensors/x/=a,sensors/=b'), /sensors\/x\/ of a lies inside sensors\/.*granted to b/)
  assert.equal(parseGrants('sensors/=a,sensors/x/=a,sensors2/=b').length, 3)
})

test('a namespace may use its own topics and what was granted to it', () => {
  const grants = parseGrants('sensors/=coldchain,plant/lab/=lab')
  const granted = (pattern: string, namespace: string) => isGranted(pattern, namespace, grants)
  assert.ok(granted('fleets/{namespace}/{fleet}/{device}/telemetry', 'anyone'))
  assert.ok(granted('sensors/{device}/{measurement}', 'coldchain'))
  assert.ok(granted('plant/{namespace}/{device}', 'lab'))
  assert.ok(!granted('sensors/{device}/{measurement}', 'lab'))
  assert.ok(!granted('sensors2/{device}', 'coldchain'))
  assert.ok(!granted('sensors', 'coldchain'))
  assert.ok(!granted('plant/{namespace}/{device}', 'coldchain'))
  assert.ok(!granted('fleets/coldchain/reefers/{device}/telemetry', 'coldchain'))
  assert.ok(!granted('fleetloom/sessions/{device}', 'coldchain'))
  assert.ok(!granted('other/{device}', 'coldchain'))
})

test('without grants nothing but the own prefix is open', () => {
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[a-z]{1,8}$/), (text, namespace) => {
      fc.pre(!text.startsWith('fleets/{namespace}/{fleet}/'))
      assert.ok(!isGranted(text, namespace, []))
    }),
  )
})

test('a granted pattern never reaches into the prefix of another namespace', () => {
  const grants = parseGrants('a/=one,b/=two')
  const pattern = fc.array(fc.constantFrom('a', 'b', '{namespace}', '{fleet}', '{device}', '#'), {
    minLength: 1,
    maxLength: 4,
  })
  fc.assert(
    fc.property(pattern, (levels) => {
      const text = levels.join('/')
      fc.pre(isGranted(text, 'one', grants))
      assert.ok(!overlaps(filterOf(fillFleet(text, { namespace: 'one', name: 'f' })), 'b/#'))
    }),
  )
})

const spec = deviceFleetSpec.parse({
  measurements: [{ name: 'temperature', type: 'Double' }],
  topics: { telemetry: ['sensors/{device}/{measurement}'] },
  access: { subscribe: ['fleets/{namespace}/{fleet}/{device}/config/#'] },
})

test('a fleet claims a filter for each of its patterns, its errors among them', () => {
  assert.equal(allPatterns(spec).length, 6)
  assert.deepEqual(claimsOf(spec, REEFERS), [
    'sensors/+/+',
    'fleets/coldchain/reefers/+/events',
    'fleets/coldchain/reefers/+/commands',
    'fleets/coldchain/reefers/+/replies',
    'fleets/coldchain/reefers/+/config/#',
    'fleets/coldchain/reefers/+/errors',
  ])
})

test('what was not granted is named with the way out', () => {
  const [pattern, ...others] = ungranted(spec, 'coldchain', [])
  assert.equal(pattern, 'sensors/{device}/{measurement}')
  assert.deepEqual(others, [])
  assert.deepEqual(ungranted(spec, 'coldchain', parseGrants('sensors/=coldchain')), [])
  assert.match(notGranted(pattern as string, REEFERS), /--shared-prefix PREFIX\/=coldchain/)
})
