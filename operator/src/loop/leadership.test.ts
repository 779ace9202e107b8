import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '@fleetloom/shared/process/logger'
import { json, scriptedApi } from '../source/kube/testing.ts'
import { campaign, NotLeading } from './leadership.ts'

const leaseOf = (holderIdentity: string) => ({ metadata: { resourceVersion: '7' }, spec: { holderIdentity } })

test('a replica whose lease another took stops, and says who leads', async () => {
  await using server = await scriptedApi(json(404, {}), json(201, {}), json(200, leaseOf('operator-1')))
  const log = createLogger('test', 'fatal')
  await using leadership = campaign({ api: server.api, namespace: 'ns', name: 'lease', identity: 'operator-0', log })
  await leadership.won
  leadership.mayWrite()
  assert.equal(await leadership.lost, 'lost the lease: operator-1 took it')
  assert.throws(() => leadership.mayWrite(), NotLeading)
})
