/** When to send the next camera frame. Pure: the time is passed in, in milliseconds. */

/** More than this waiting in the socket means that the network is behind: send no picture. */
const MAX_BUFFERED_BYTES = 16_384;

/**
 * One frame for each result, in step with the server. The server keeps only the newest frame, so a
 * second one sent before the first was used is wasted; and one sent right after a result grows old
 * waiting for the next. So: wait until the last frame was used, and for the middle of the interval.
 */
export class FramePacer {
  #interval;
  #unused = null; // id of the frame that no result has named yet
  #next = 0;

  constructor(intervalMs) {
    this.#interval = intervalMs;
  }

  due(now, bufferedBytes) {
    return now >= this.#next && bufferedBytes <= MAX_BUFFERED_BYTES;
  }

  sent(id, now) {
    this.#unused = id;
    // Should no result ever name this frame (it was no good, or the server is slow), go on at half speed.
    this.#next = now + 2 * this.#interval;
  }

  /** A result came: `used` is the newest frame behind it, or null; the server worked `serverMs` on it. */
  result(used, serverMs, now) {
    if (this.#unused === null || used === null || used < this.#unused) return;
    this.#unused = null;
    this.#next = now + Math.max(0, this.#interval / 2 - serverMs);
  }
}
