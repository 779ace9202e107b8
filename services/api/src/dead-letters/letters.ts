/** Dead letters of a fleet, read from their stream. The id of a letter is its sequence there. */
import type { Names, Ref } from '@fleetloom/crds/names'
import { type DeadLetter, deadLetterOf } from '@fleetloom/shared/dead-letters/dead-letter'
import { DEAD_LETTER_REASONS, type DeadLetterReason } from '@fleetloom/shared/dead-letters/reasons'
import { readStored } from '@fleetloom/shared/stored'
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'

export type Letter = {
  readonly id: number
  readonly storedAt: string
  readonly letter: DeadLetter
  readonly body: Uint8Array
}

export type LetterFilter = { readonly device?: string | undefined; readonly reason?: DeadLetterReason | undefined }

export type LetterQuery = LetterFilter & { readonly limit: number; readonly from?: number | undefined }

export type LetterPage = { readonly letters: readonly Letter[]; readonly next?: number }

/** Letters read at a time, and bytes of them; a letter holds up to 900 KiB. */
const PAGE = 128
const PAGE_BYTES = 1024 * 1024
/** Reads that one page of a list makes at most. */
const SCAN_PAGES = 16

/** Whose letter it is, its subject says, whatever its headers do. */
const letterOf = (fleet: Ref, { seq, header, data, timestamp }: StoredMsg): Letter | undefined => {
  try {
    const letter = deadLetterOf(header)
    return letter && { id: seq, storedAt: timestamp, letter: { ...letter, fleet }, body: data }
  } catch {
    return undefined
  }
}

export class Letters {
  readonly #jsm: JetStreamManager
  readonly #names: Names

  constructor(jsm: JetStreamManager, names: Names) {
    this.#jsm = jsm
    this.#names = names
  }

  /** Oldest first. A page may be short, and not the last: `next` says. */
  async list(fleet: Ref, { device, reason, limit, from = 1 }: LetterQuery): Promise<LetterPage> {
    const subject = reason === undefined ? this.#names.deadSubjectsOf(fleet) : this.#names.deadSubject(fleet, reason)
    const letters: Letter[] = []
    let next: number | undefined = from
    let bytes = 0
    for (
      let page = 0;
      page < SCAN_PAGES && next !== undefined && letters.length < limit && bytes < PAGE_BYTES;
      page++
    ) {
      const stored = await this.#read(subject, next)
      const matching = stored
        .map((message) => letterOf(fleet, message))
        .filter((one) => one !== undefined && (device === undefined || one.letter.device === device)) as Letter[]
      const taken = matching.slice(0, limit - letters.length)
      letters.push(...taken)
      bytes += taken.reduce((sum, { body }) => sum + body.length, 0)
      const last = taken.length < matching.length ? taken.at(-1)?.id : stored.at(-1)?.seq
      next = last === undefined ? undefined : last + 1
    }
    return next === undefined ? { letters } : { letters, next }
  }

  /** A letter of this fleet. */
  async get(fleet: Ref, id: number): Promise<Letter | undefined> {
    const [found] = await readStored(this.#jsm, {
      stream: this.#names.deadLetters,
      subject: this.#names.deadSubjectsOf(fleet),
      from: id,
      limit: 1,
    })
    return found?.seq === id ? letterOf(fleet, found) : undefined
  }

  /** Absent counts as removed. */
  async remove(id: number): Promise<void> {
    try {
      await this.#jsm.streams.deleteMessage(this.#names.deadLetters, id, false)
    } catch (error) {
      if (!(error instanceof Error && /not found|no message/i.test(error.message))) throw error
    }
  }

  #read(subject: string, from: number): Promise<StoredMsg[]> {
    return readStored(this.#jsm, { stream: this.#names.deadLetters, subject, from, limit: PAGE, maxBytes: PAGE_BYTES })
  }
}

/** Whether the letter holds the whole of what was received. */
export const isWhole = ({ letter, body }: Letter): boolean => letter.payloadBytes === body.length

const textOf = (body: Uint8Array): { text?: string } => {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(body) }
  } catch {
    return {}
  }
}

/** A letter as the API shows it: the bytes as base64, and as text where they are UTF-8. */
export const letterView = (one: Letter) => {
  const { id, storedAt, letter, body } = one
  const { fleet, arrivalMs, generation, ...rest } = letter
  return {
    id,
    namespace: fleet.namespace,
    fleet: fleet.name,
    ...rest,
    generation,
    hint: DEAD_LETTER_REASONS[letter.reason] ?? '',
    arrivedAt: new Date(arrivalMs).toISOString(),
    storedAt,
    whole: isWhole(one),
    body: Buffer.from(body).toString('base64'),
    ...textOf(body),
  }
}
