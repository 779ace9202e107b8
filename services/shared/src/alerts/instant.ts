/** RFC 3339 with microseconds. */
export const instant = (micros: number): string => {
  const ms = Math.floor(micros / 1000)
  return new Date(ms).toISOString().replace('Z', `${String(micros - ms * 1000).padStart(3, '0')}Z`)
}
