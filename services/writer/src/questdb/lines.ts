/** Rows of line protocol, taken apart only when the database refused some of them. */

const NEWLINE = 10
const BACKSLASH = 92

const escaped = (body: Uint8Array, at: number): boolean => {
  let slashes = 0
  while (body[at - 1 - slashes] === BACKSLASH) slashes++
  return slashes % 2 === 1
}

/** The lines of `body`, each with its newline; blank ones are dropped. A newline behind a backslash belongs to a text value. */
export const splitLines = (body: Uint8Array): Uint8Array[] => {
  const lines: Uint8Array[] = []
  let start = 0
  for (let at = body.indexOf(NEWLINE); at >= 0; at = body.indexOf(NEWLINE, at + 1)) {
    if (escaped(body, at)) continue
    if (at > start) lines.push(body.subarray(start, at + 1))
    start = at + 1
  }
  if (start < body.length) lines.push(body.subarray(start))
  return lines
}

/** Device id in a line, at most 256 characters; '' when there is none to be found. */
export const deviceOfLine = (line: Uint8Array): string => {
  const head = Buffer.from(line.buffer, line.byteOffset, Math.min(line.length, 2048)).toString('utf8')
  const tag = /,device=((?:\\[\s\S]|[^\\, ])*)/.exec(head)?.[1] ?? ''
  return tag.replace(/\\([\s\S])/g, '$1').slice(0, 256)
}
