/** Names and values inside SQL statements for QuestDB, which takes no parameters over HTTP. */

const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9_-]{0,126}$/

/** @throws RangeError for a name that no table or column of ours can have. */
export const quoted = (name: string): string => {
  if (!IDENTIFIER.test(name)) throw new RangeError(`${JSON.stringify(name)} can not be the name of a table or column`)
  return `"${name}"`
}

/** A text as a literal. */
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`
