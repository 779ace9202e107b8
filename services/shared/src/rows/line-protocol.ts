/** Texts in line protocol. */

/** Escapes a table, column or symbol. */
export const escapeName = (text: string): string => text.replace(/[ ,=\\\n\r]/g, '\\$&')

const NEEDS_ESCAPE = /["\\\n\r]/

const escapeText = (text: string): string => (NEEDS_ESCAPE.test(text) ? text.replace(/["\\\n\r]/g, '\\$&') : text)

/** A text value in quotes; lone surrogates are replaced. */
export const quotedText = (text: string): string => `"${escapeText(text.toWellFormed())}"`
