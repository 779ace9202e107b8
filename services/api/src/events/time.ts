/** Times of events as the API shows them. */

/** RFC 3339 with microseconds. */
export const isoOfMicros = (micros: number): string => {
  const ms = Math.floor(micros / 1000)
  const rest = String(micros - ms * 1000).padStart(3, '0')
  return `${new Date(ms).toISOString().slice(0, -1)}${rest}Z`
}
