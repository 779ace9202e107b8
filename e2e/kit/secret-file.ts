import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** A password and the file (mode 0600) that holds it, as services want it. */
export type Secret = { readonly value: string; readonly file: string }

/** The secret in `file`, made at random when there is none yet. */
export const secretFile = (file: string, make = () => randomBytes(24).toString('base64url')): Secret => {
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(file, make(), { mode: 0o600 })
  }
  chmodSync(file, 0o600)
  return { value: readFileSync(file, 'utf8'), file }
}

/** An object with one value per name. */
export const byName = <Name extends string, T>(names: readonly Name[], make: (name: Name) => T): Record<Name, T> =>
  Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, T>
