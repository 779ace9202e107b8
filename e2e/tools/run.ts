import { spawn } from 'node:child_process'

export type Finished = { readonly code: number; readonly output: string }

/** Runs a command to its end; `output` is stdout and stderr, its last 64 KiB. A command that is not there gives code 127. */
export const run = (
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Finished> =>
  new Promise((resolve) => {
    let output = ''
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const take = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-65_536)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('error', (error) => resolve({ code: 127, output: error.message }))
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
