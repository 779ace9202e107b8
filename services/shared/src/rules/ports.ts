/** The engine's ports as they are in production: the language of rules and the detector of anomalies. */
import { observe } from '../anomaly/detector.ts'
import { initialState, STATE_BYTES } from '../anomaly/state.ts'
import type { Ports } from './engine/ports.ts'
import { compileExpression } from './language/expression.ts'
import { selectorMatches } from './language/selector.ts'
import { renderTemplate } from './language/template.ts'

export const enginePorts: Ports = {
  compile: compileExpression,
  matches: selectorMatches,
  render: renderTemplate,
  detector: { stateBytes: STATE_BYTES, create: initialState, observe },
}
