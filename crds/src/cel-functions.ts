/**
 * The functions and macros that the CEL rules of the CRDs may use: those that mean the same in Kubernetes and in the engine
 * of standalone mode. `crds/cel-cases.yaml` is run against both.
 */
export const CEL_FUNCTIONS = [
  'has',
  'all',
  'exists',
  'exists_one',
  'filter',
  'size',
  'startsWith',
  'endsWith',
  'contains',
  'indexOf',
  'substring',
  'split',
  'matches',
  'int',
] as const
