/** Texts in line protocol. */

/** Escapes a table, column or symbol. */
export const escapeName = (text: string): string => text.replace(/[ ,=\\\n\r]/g, '\\$&')

/** A text value in quotes; lone surrogates are replaced. */
export const quotedText = (text: string): string => `"${text.toWellFormed().replace(/["\\\n\r]/g, '\\$&')}"`
