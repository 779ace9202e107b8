/** Writes what is generated from the schemas: `crds/yaml/`, their copies in the chart, and `docs/spec/`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { crdOf } from './crd.ts'
import { KIND_NAMES, KINDS } from './kinds.ts'
import { specPage } from './spec-page.ts'

const ROOT = join(import.meta.dirname, '../..')

const dashed = (kind: string): string => kind.replace(/(?<!^)[A-Z]/g, '-$&').toLowerCase()

/** Path under the root of the repository and text of every generated file. */
export const generated = (): readonly (readonly [path: string, text: string])[] =>
  KIND_NAMES.flatMap((name) => {
    const yaml = `# Generated from crds/src by \`npm run generate\`; do not edit.\n${stringify(crdOf(name), { lineWidth: 120, aliasDuplicateObjects: false })}`
    return [
      [`crds/yaml/${KINDS[name].plural}.yaml`, yaml],
      [`charts/fleetloom/crds/${KINDS[name].plural}.yaml`, yaml],
      [`docs/spec/${dashed(name)}.md`, specPage(name)],
    ]
  })

if (import.meta.main)
  for (const [path, text] of generated()) {
    mkdirSync(join(ROOT, path, '..'), { recursive: true })
    writeFileSync(join(ROOT, path), text)
    process.stdout.write(`${path}\n`)
  }
