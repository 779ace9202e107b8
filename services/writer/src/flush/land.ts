/**
 * Brings rows into the database although some may be refused. QuestDB takes or refuses a request as a whole and names the first
 * line it could not take, so:
 *
 * 1. Post all. Accepted: done. Unavailable: nothing is known about the rows, stop here.
 * 2. Refused: post apart what stands before the named line, the line itself, and each half of what stands behind it. So one bad row
 *    costs a few requests, and if all are bad it is plain bisection.
 * 3. Repeat with each part that is refused. A row is rejected only when it was refused alone.
 * 4. Rows over which the server *failed* (a fault that isn't named as theirs) are tried again last, alone. They are
 *    rejected only if other rows got in meanwhile; else the database is what's wrong.
 *
 * Rows that got in before an `unavailable` get in again with the next try: they are idempotent.
 */
import type { Answer, Fault } from '@fleetloom/shared/questdb/answer'
import { splitLines } from '../questdb/lines.ts'
import type { Batch } from './sort.ts'

export type Row = { readonly line: Uint8Array; readonly batch: Batch }
export type Rejected = Row & { readonly fault: Fault }

export type Landed =
  | { readonly kind: 'landed'; readonly rejected: readonly Rejected[] }
  | { readonly kind: 'unavailable'; readonly reason: string }

export type Write = (bodies: readonly Uint8Array[]) => Promise<Answer>

type Refusal = Extract<Answer, { kind: 'row_fault' | 'suspect' }>

/** Rows over which the server failed, with none taken, before the database is to blame. */
const MAX_SUSPECTS = 3

export const land = async (batches: readonly Batch[], write: Write): Promise<Landed> => {
  const answer = await write(batches.map(({ message }) => message.body))
  if (answer.kind === 'accepted') return { kind: 'landed', rejected: [] }
  if (answer.kind === 'unavailable') return answer
  return new Isolation(write).run(rowsOf(batches), answer)
}

const rowsOf = (batches: readonly Batch[]): Row[] =>
  batches.flatMap((batch) => splitLines(batch.message.body).map((line) => ({ line, batch })))

const bodyOf = (rows: readonly Row[]): Uint8Array[] => [Buffer.concat(rows.map(({ line }) => line))]

/** Parts of refused rows to post apart; `line` counts from 1 and is only a hint. */
export const partsAround = <T>(rows: readonly T[], line: number): T[][] => {
  const bad = Math.min(Math.max(line - 1, 0), rows.length - 1)
  const middle = bad + 1 + Math.ceil((rows.length - bad - 1) / 2)
  const parts = [rows.slice(0, bad), rows.slice(bad, bad + 1), rows.slice(bad + 1, middle), rows.slice(middle)]
  return parts.filter(({ length }) => length > 0)
}

class Isolation {
  readonly #write: Write
  readonly #refused: { rows: readonly Row[]; line: number }[] = []
  readonly #rejected: Rejected[] = []
  readonly #suspects: Rejected[] = []
  #accepted = 0

  constructor(write: Write) {
    this.#write = write
  }

  async run(rows: readonly Row[], { fault }: Refusal): Promise<Landed> {
    this.#refused.push({ rows, line: fault.line })
    for (let next = this.#refused.pop(); next; next = this.#refused.pop()) {
      for (const part of partsAround(next.rows, next.line)) {
        const reason = await this.#try(part)
        if (reason !== undefined) return { kind: 'unavailable', reason }
      }
    }
    return this.#judge()
  }

  /** Posts a part; returns why to stop, if so. */
  async #try(rows: readonly Row[]): Promise<string | undefined> {
    const answer = await this.#write(bodyOf(rows))
    if (answer.kind === 'unavailable') return answer.reason
    if (answer.kind === 'accepted') this.#accepted += rows.length
    else this.#refuse(rows, answer)
    return this.#blamesDatabase() ? this.#suspects[0]?.fault.detail : undefined
  }

  #refuse(rows: readonly Row[], { kind, fault }: Refusal): void {
    const [row] = rows
    if (rows.length > 1 || !row) this.#refused.push({ rows, line: fault.line })
    else (kind === 'suspect' ? this.#suspects : this.#rejected).push({ ...row, fault })
  }

  #blamesDatabase(): boolean {
    return this.#accepted === 0 && this.#suspects.length >= MAX_SUSPECTS
  }

  async #judge(): Promise<Landed> {
    for (const suspect of this.#suspects) {
      const answer = await this.#write([suspect.line])
      if (answer.kind === 'unavailable') return answer
      if (answer.kind === 'accepted') this.#accepted++
      else if (this.#accepted === 0) return { kind: 'unavailable', reason: answer.fault.detail }
      else this.#rejected.push({ ...suspect, fault: answer.fault })
    }
    return { kind: 'landed', rejected: this.#rejected }
  }
}
