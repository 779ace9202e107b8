import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AckWindow, type Ticket } from './ack-window.ts'

const idsOf = (acks: Buffer): number[] =>
  Array.from({ length: acks.length / 4 }, (_, i) => {
    assert.equal(acks.readUInt16BE(i * 4), 0x4002)
    return acks.readUInt16BE(i * 4 + 2)
  })

/** Adds a message, or says that what became of message `action` is durable. */
const step = (window: AckWindow, tickets: Ticket[], action: number): void => {
  const ticket = tickets[action]
  if (ticket) ticket.done = true
  if (action >= 0) return
  tickets.push({ done: false })
  window.add(tickets.length, tickets.at(-1) as Ticket)
}

test('acknowledgements come in the order of arrival, none before its ticket is done', () => {
  const actions = fc.array(fc.oneof(fc.constant(-1), fc.nat(20)), { maxLength: 200 })
  fc.assert(
    fc.property(actions, (script) => {
      const window = new AckWindow(4)
      const tickets: Ticket[] = []
      const acknowledged: number[] = []
      for (const action of script) {
        step(window, tickets, action)
        acknowledged.push(...idsOf(window.release()))
        const open = [...tickets, { done: false }].findIndex(({ done }) => !done)
        const expected = Array.from({ length: open }, (_, i) => i + 1)
        assert.deepEqual([acknowledged, window.size], [expected, tickets.length - open])
      }
    }),
  )
})
