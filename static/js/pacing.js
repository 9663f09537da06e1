/** When to send the next camera frame, and the sound. Pure: the time is passed in, in milliseconds. */

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

/** Most chunks of sound that wait: should results no longer come, sound still goes, at a quarter of the messages. */
const MOST_WAITING = 3;

/**
 * The server looks at the sound once for each result, and what was spoken right after a result is not looked at before
 * the next. So until the middle of the interval chunks wait for each other and go together, and after it each at once:
 * half as many messages, and nothing is older when it is looked at.
 */
export class SoundPacer {
  #interval;
  #waiting = [];
  #waitsUntil = -Infinity;

  constructor(intervalMs) {
    this.#interval = intervalMs;
  }

  /** Take a chunk (Int16Array); return what is to be sent now, it and what waited for it, or null where it waits. */
  add(samples, now) {
    this.#waiting.push(samples);
    if (now < this.#waitsUntil && this.#waiting.length <= MOST_WAITING) return null;
    const waited = this.#waiting;
    this.#waiting = [];
    return waited.length === 1 ? samples : joined(waited);
  }

  /** A result came, on which the server worked `serverMs`. */
  result(serverMs, now) {
    this.#waitsUntil = now + this.#interval / 2 - serverMs;
  }
}

function joined(chunks) {
  const whole = new Int16Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let end = 0;
  for (const chunk of chunks) {
    whole.set(chunk, end);
    end += chunk.length;
  }
  return whole;
}
