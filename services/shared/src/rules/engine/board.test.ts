import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Board } from './board.ts'

const NEVER = Number.POSITIVE_INFINITY

test('numbers keep their place while rules and devices come', () => {
  const board = new Board()
  const first = board.takeSeat()
  board.setState(70, first, 2)
  board.setDue(70, first, 17)
  const others = Array.from({ length: 9 }, () => board.takeSeat())
  board.setState(500, others[8] as number, 3)
  board.setDue(500, others[8] as number, 12)
  assert.deepEqual([board.state(70, first), board.due(70, first), board.earliest(70)], [2, 17, 17])
  assert.deepEqual([board.state(500, first), board.due(500, first), board.earliest(500)], [0, NEVER, 12])
  assert.equal(new Set([first, ...others]).size, 10)
})

test('a device or a rule that was never there is due never', () => {
  const board = new Board()
  assert.equal(board.earliest(3), NEVER)
  const seat = board.takeSeat()
  assert.deepEqual([board.state(3, seat), board.due(3, seat), board.earliest(3)], [0, NEVER, NEVER])
})

test('a seat that was left is blank and taken again', () => {
  const board = new Board()
  const seat = board.takeSeat()
  board.setState(1, seat, 1)
  board.setDue(1, seat, 5)
  board.leaveSeat(seat)
  assert.equal(board.earliest(1), NEVER)
  assert.equal(board.takeSeat(), seat)
  assert.equal(board.state(1, seat), 0)
})
