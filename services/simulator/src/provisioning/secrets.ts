/** Secrets of the devices that this simulator plays, by MQTT user name, in a file of mode 0600. The api returns each only once. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'

const stateSchema = z.object({ version: z.literal(1), secrets: z.record(z.string(), z.string()) })

export class Secrets {
  readonly #file: string
  readonly #secrets: Map<string, string>
  #turn: Promise<void> = Promise.resolve()

  private constructor(file: string, secrets: Map<string, string>) {
    this.#file = file
    this.#secrets = secrets
  }

  /** @throws when the file holds something else. */
  static async open(file: string): Promise<Secrets> {
    try {
      const { secrets } = stateSchema.parse(JSON.parse(await readFile(file, 'utf8')))
      return new Secrets(file, new Map(Object.entries(secrets)))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Secrets(file, new Map())
      throw new Error(`STATE_FILE=${file} is not a state file of the simulator; move it away`, { cause: error })
    }
  }

  get(username: string): string | undefined {
    return this.#secrets.get(username)
  }

  /** Resolves when it is on the disk. */
  put(username: string, secret: string): Promise<void> {
    this.#secrets.set(username, secret)
    const write = this.#turn.then(() => this.#write())
    this.#turn = write.catch(() => undefined)
    return write
  }

  async #write(): Promise<void> {
    const draft = `${this.#file}.new`
    await mkdir(dirname(this.#file), { recursive: true })
    const state = { version: 1, secrets: Object.fromEntries(this.#secrets) }
    await writeFile(draft, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 })
    await rename(draft, this.#file)
  }
}
