/** A row as an object; timestamps are RFC 3339 text, 64-bit numbers beyond 2^53 lose digits (cast them to text in SQL). */
export type Row = Readonly<Record<string, string | number | boolean | null>>

export type Sql = <R extends Row = Row>(query: string) => Promise<R[]>

type Answer = { columns?: { name: string }[]; dataset?: Row[string][][]; error?: string }

/** Queries over QuestDB's HTTP /exec. Errors carry the query. */
export const sqlOver =
  (server: { readonly url: string; readonly authorization: string }): Sql =>
  async <R extends Row>(query: string): Promise<R[]> => {
    const { url, authorization } = server
    const response = await fetch(`${url}/exec?${new URLSearchParams({ query })}`, { headers: { authorization } })
    const text = await response.text()
    if (!text.startsWith('{')) throw new Error(`QuestDB answered ${response.status}: ${text.trim()}`)
    const { columns = [], dataset = [], error } = JSON.parse(text) as Answer
    if (error !== undefined) throw new Error(`${error}\nin: ${query}`)
    return dataset.map((row) => Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])) as R)
  }
