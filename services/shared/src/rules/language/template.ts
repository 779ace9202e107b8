/**
 * Texts with placeholders, as in the annotations and labels of a rule: `{{ device }} is at {{ value }}`.
 *
 * Strict where they are checked: a name that is not known, or a brace that opens or closes nothing, is a fault. Single braces are
 * text, but for `{device}` and its like, which are meant as placeholders. There is no way to write `{{` itself.
 */
import { nearest } from '../../nearest.ts'
import { type Fault, faultOr, refuse, shown } from './fault.ts'

/** What placeholders stand for. */
export type TemplateValues = {
  readonly device: string
  readonly fleet: string
  readonly namespace: string
  readonly rule: string
  readonly severity: string
  /** Empty text where there is none. */
  readonly value: number | undefined
  /** Of the device; one that it does not have is an empty text. */
  readonly labels: Readonly<Record<string, string>>
}

const NAMES = ['device', 'fleet', 'namespace', 'rule', 'value', 'severity'] as const
type Name = (typeof NAMES)[number]
type Piece = (values: TemplateValues) => string

const LABEL = /^labels\.([A-Za-z0-9][A-Za-z0-9._/-]{0,316})$/
const SINGLE = new RegExp(`\\{\\s*(${NAMES.join('|')}|labels\\.[\\w./-]+)\\s*\\}`)
const DECIMALS = 6

/**
 * A number as people read it: rounded to 6 decimals, or below 1 to 6 significant digits, and without trailing zeros, so that
 * the noise of floating point is gone: 8.250000001 is 8.25, and 0.1 + 0.2 is 0.3.
 */
export const renderNumber = (value: number): string =>
  String(Number(Math.abs(value) < 1 ? value.toPrecision(DECIMALS) : value.toFixed(DECIMALS)))

const isName = (name: string): name is Name => (NAMES as readonly string[]).includes(name)

const labelPiece =
  (name: string): Piece =>
  ({ labels }) =>
    Object.hasOwn(labels, name) ? (labels[name] ?? '') : ''

const namedPiece =
  (name: Name): Piece =>
  (values) => {
    const value = values[name]
    return typeof value === 'number' ? renderNumber(value) : (value ?? '')
  }

const KNOWN = [...NAMES, 'labels.NAME']

const pieceOf = (name: string, start: number): Piece => {
  if (isName(name)) return namedPiece(name)
  const label = LABEL.exec(name)?.[1]
  if (label !== undefined) return labelPiece(label)
  const span = { start, end: start + name.length }
  if (name === '') return refuse('{{ }} names nothing', span, `there are ${KNOWN.join(', ')}`)
  if (/[{}]/.test(name)) return refuse('a brace too many', span, 'write {{ device }}')
  const near = name.startsWith('labels') ? 'labels.NAME' : nearest(name, NAMES)
  const hint = near === undefined ? `there are ${KNOWN.join(', ')}` : `did you mean ${near}?`
  return refuse(`unknown name ${shown(name)}`, span, hint)
}

/** Text between placeholders. */
const plain = (text: string, start: number): Piece => {
  const stray = text.indexOf('}}')
  if (stray >= 0) {
    const span = { start: start + stray, end: start + stray + 2 }
    return refuse('}} closes nothing', span, 'write {{ before the name')
  }
  const single = SINGLE.exec(text)
  if (single) {
    const at = start + single.index
    const span = { start: at, end: at + single[0].length }
    return refuse(`${shown(single[0])} is not filled in`, span, `write {{ ${shown(single[1] as string)} }}`)
  }
  return () => text
}

/** Labels say which alert it is, so what changes while one fires can't be part of them. */
const labelPieceOf = (name: string, start: number): Piece =>
  name === 'value'
    ? refuse(
        '{{ value }} changes while an alert fires',
        { start, end: start + name.length },
        'labels say which alert it is, so put it into an annotation',
      )
    : pieceOf(name, start)

const pieces = (text: string, toPiece = pieceOf): readonly Piece[] => {
  const made: Piece[] = []
  let at = 0
  for (let open = text.indexOf('{{'); open >= 0; open = text.indexOf('{{', at)) {
    made.push(plain(text.slice(at, open), at))
    const inner = open + 2
    const close = text.indexOf('}}', inner)
    const next = text.indexOf('{{', inner)
    if (close < 0 || (next >= 0 && next < close))
      return refuse('{{ is not closed', { start: open, end: inner }, 'write }} after the name')
    const name = text.slice(inner, close)
    made.push(toPiece(name.trim(), inner + name.length - name.trimStart().length))
    at = close + 2
  }
  return [...made, plain(text.slice(at), at)]
}

/** What is wrong with a template; undefined when nothing is. Never throws. */
export const checkTemplate = (text: string): Fault | undefined => {
  const result = faultOr(text, () => pieces(text))
  return 'fault' in result ? result.fault : undefined
}

/** As `checkTemplate`, for the value of a label. */
export const checkLabelTemplate = (text: string): Fault | undefined => {
  const result = faultOr(text, () => pieces(text, labelPieceOf))
  return 'fault' in result ? result.fault : undefined
}

/** The template with its placeholders filled in. One that `checkTemplate` refuses comes back as it is. Never throws. */
export const renderTemplate = (text: string, values: TemplateValues): string => {
  const result = faultOr(text, () => pieces(text))
  return 'ok' in result ? result.ok.map((piece) => piece(values)).join('') : text
}
