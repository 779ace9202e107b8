/**
 * How far the session is. A probe that it publishes to itself comes back behind everything that the broker held before;
 * when that is in the stream too, the probe's own time is a mark: nothing earlier is missing. The age of a probe that has
 * not come back is how far the session lags.
 *
 * A probe can be lost (the broker's queue overflowed), so after a while another one follows.
 */

const REPEAT_AFTER_MS = 60_000

export class Progress {
  #sentMs = 0
  /** When the oldest probe that is not back was sent, ms since the epoch; 0 when all are. */
  #oldestMs = 0
  #mark = 0

  /** The payload of a probe to send now; undefined while one is under way. */
  probe(nowMs: number): string | undefined {
    if (this.#oldestMs > 0 && nowMs - this.#sentMs < REPEAT_AFTER_MS) return undefined
    return this.force(nowMs)
  }

  /** The payload of a probe that is sent whatever is under way. */
  force(nowMs: number): string {
    this.#sentMs = nowMs
    if (this.#oldestMs === 0) this.#oldestMs = nowMs
    return String(nowMs)
  }

  /** The connection was lost: a probe under way may not have been taken. */
  interrupted(): void {
    this.#sentMs = 0
  }

  /** Takes a probe that came back, also one of an earlier process; the mark, or undefined if it says nothing new. */
  returned(payload: string): number | undefined {
    const mark = Number(payload)
    if (!Number.isSafeInteger(mark) || mark <= this.#mark) return undefined
    this.#mark = mark
    if (mark >= this.#oldestMs) this.#oldestMs = 0
    return mark
  }

  lagSeconds(nowMs: number): number {
    return this.#oldestMs === 0 ? 0 : Math.max(0, nowMs - this.#oldestMs) / 1000
  }
}

/** Messages per second, smoothed over some ten seconds; it stands still while nothing arrives. */
export class ArrivalRate {
  #messages = 0
  #atMs = 0
  #perSecond = 0

  sample(messages: number, nowMs: number): number {
    const seconds = (nowMs - this.#atMs) / 1000
    if (this.#atMs > 0 && seconds > 0 && messages > this.#messages) {
      const weight = Math.min(1, seconds / 10)
      this.#perSecond += ((messages - this.#messages) / seconds - this.#perSecond) * weight
    }
    this.#messages = messages
    this.#atMs = nowMs
    return this.#perSecond
  }
}
