import { readFile } from 'node:fs/promises'

/** The secret that a mounted file holds, without the line's end that editors leave. @throws naming the file that can't be read. */
export const readSecret = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim()
