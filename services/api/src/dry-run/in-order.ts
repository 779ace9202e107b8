/**
 * Entries of history in order of time.
 *
 * A table is read in pages, so that no query holds the database for long, however slowly its rows are taken. A page begins at the last
 * instant of the one before it, whose rows were held back: rows of one instant have no order by which a page could go on among
 * them. A page that holds one instant only is asked for again, twice as large.
 */
export type Entry = {
  readonly kind: 'reading' | 'event'
  readonly micros: number
  readonly device: string
  /** Of line protocol. */
  readonly line: string
}

/** `from` is included, `to` is not; µs. */
export type Range = { readonly from: number; readonly to: number }

const PAGE = 50_000

/** Where the entries of the last instant begin. */
const lastInstant = (entries: readonly Entry[]): number => {
  let at = entries.length - 1
  while (at > 0 && entries[at - 1]?.micros === entries[at]?.micros) at--
  return Math.max(at, 0)
}

/** Reads up to `limit` entries from an instant on, in order of time, in some pieces. */
export type ReadPage = (fromMicros: number, limit: number) => AsyncIterable<readonly Entry[]>

type PageEnd = { readonly count: number; readonly held: readonly Entry[] }

/** A page but for its last instant, which is returned with the number of entries. */
async function* onePage(read: ReadPage, fromMicros: number, limit: number): AsyncGenerator<readonly Entry[], PageEnd> {
  let [count, held] = [0, [] as readonly Entry[]]
  for await (const piece of read(fromMicros, limit)) {
    count += piece.length
    const entries = [...held, ...piece]
    const cut = lastInstant(entries)
    held = entries.slice(cut)
    if (cut > 0) yield entries.slice(0, cut)
  }
  return { count, held }
}

/** All entries of a range, each once. */
export async function* pagesOf(fromMicros: number, read: ReadPage, page = PAGE): AsyncGenerator<readonly Entry[]> {
  let [from, size] = [fromMicros, page]
  for (;;) {
    const { count, held }: PageEnd = yield* onePage(read, from, size)
    const [last] = held
    if (count < size || last === undefined) {
      yield held
      return
    }
    size = held.length === count ? size * 2 : page
    from = last.micros
  }
}

class Cursor implements AsyncDisposable {
  readonly #pieces: AsyncIterator<readonly Entry[]>
  #piece: readonly Entry[] = []
  #at = 0

  constructor(pieces: AsyncIterable<readonly Entry[]>) {
    this.#pieces = pieces[Symbol.asyncIterator]()
  }

  get head(): Entry | undefined {
    return this.#piece[this.#at]
  }

  /** Reads on until there is a head; there is none behind the last. */
  async fill(): Promise<void> {
    while (this.head === undefined) {
      const { done, value } = await this.#pieces.next()
      if (done) return
      this.#piece = value
      this.#at = 0
    }
  }

  take(): Entry {
    return this.#piece[this.#at++] as Entry
  }

  rest(): readonly Entry[] {
    const rest = this.#piece.slice(this.#at)
    this.#at = this.#piece.length
    return rest
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pieces.return?.()
  }
}

/** What comes of both until one of them has to be filled. */
const zipped = (a: Cursor, b: Cursor): readonly Entry[] => {
  const piece: Entry[] = []
  while (a.head && b.head) piece.push((a.head.micros <= b.head.micros ? a : b).take())
  return piece
}

/** Both in order of time; at one instant the first comes first. */
export async function* merged(
  first: AsyncIterable<readonly Entry[]>,
  second: AsyncIterable<readonly Entry[]>,
): AsyncGenerator<readonly Entry[]> {
  await using a = new Cursor(first)
  await using b = new Cursor(second)
  for (;;) {
    await a.fill()
    await b.fill()
    if (!a.head && !b.head) return
    yield a.head && b.head ? zipped(a, b) : [...a.rest(), ...b.rest()]
  }
}
