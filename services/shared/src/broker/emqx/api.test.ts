import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listUsers } from './api.ts'
import { restTo, startBroker } from './testing/adapter.ts'

const id = (i: number): string => `ns.d${String(i).padStart(5, '0')}`

test('a list of several pages that changes while it is read is read again, so that nothing stands in no page', async () => {
  await using pair = await startBroker()
  const { emqx } = pair
  for (let i = 0; i < 10_002; i++) emqx.state.users.set(id(i), { user_id: id(i), is_superuser: false })
  let isDone = false
  emqx.onDone = () => {
    // The first in the broker's order goes: what was first of page 2 is now last of page 1.
    if (!isDone) emqx.state.users.delete(id(10_001))
    isDone = true
  }
  await using rest = restTo(emqx)
  const listed = new Set((await listUsers(rest)).map(({ user_id }) => user_id))
  assert.deepEqual([listed.size, listed.has(id(1)), listed.has(id(10_001))], [10_001, true, false])
})

test('a list that never holds still is given as far as any reading had it', async () => {
  await using pair = await startBroker()
  const { emqx } = pair
  for (let i = 0; i < 10_010; i++) emqx.state.users.set(id(i), { user_id: id(i), is_superuser: false })
  let next = 10_009
  emqx.onDone = () => void emqx.state.users.delete(id(next--))
  await using rest = restTo(emqx)
  const listed = new Set((await listUsers(rest)).map(({ user_id }) => user_id))
  for (const user of emqx.state.users.keys()) assert.ok(listed.has(user), user)
})
