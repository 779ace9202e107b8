/**
 * Bounds the texts that a transition carries. Placeholders are filled in with what devices are called, so a short template can make a
 * long text; each transition is stored, and sent to every receiver, so its texts are cut: each on its own, then all together. Labels
 * come first, as they say who hears; what finds no room any more is left out.
 */

/** Characters of a label and of an annotation. */
export const MAX_LABEL_TEXT = 256
export const MAX_ANNOTATION_TEXT = 1024
/** Bytes of all labels and annotations of a transition, names included, as JSON. */
export const MAX_TEXTS_BYTES = 16 * 1024

type Texts = Readonly<Record<string, string>>
type Told = { readonly labels: Texts; readonly annotations: Texts }

/** At most `most` characters, the last of them an ellipsis if it was cut; no character is cut in two. */
const shortened = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`

const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text))

/** What of the text fits into `room` bytes of JSON; undefined when nothing does. */
const fitted = (text: string, room: number): string | undefined => {
  if (jsonBytes(text) <= room) return text
  let [fits, beyond] = [0, text.length]
  while (beyond - fits > 1) {
    const middle = Math.floor((fits + beyond) / 2)
    if (jsonBytes(shortened(text, middle)) <= room) fits = middle
    else beyond = middle
  }
  return fits > 0 ? shortened(text, fits) : undefined
}

const take = (texts: Texts, most: number, room: number): { readonly taken: Texts; readonly room: number } => {
  const taken: [string, string][] = []
  let left = room
  for (const [name, text] of Object.entries(texts)) {
    const around = jsonBytes(name) + ':,'.length
    const value = fitted(shortened(text, most), left - around)
    if (value === undefined) continue
    taken.push([name, value])
    left -= around + jsonBytes(value)
  }
  return { taken: Object.fromEntries(taken), room: left }
}

export const boundedTexts = ({ labels, annotations }: Told): Told => {
  const { taken, room } = take(labels, MAX_LABEL_TEXT, MAX_TEXTS_BYTES)
  return { labels: taken, annotations: take(annotations, MAX_ANNOTATION_TEXT, room).taken }
}
