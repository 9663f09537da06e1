/** How long it takes from handing over sound and pictures to a result that shows them. Pure: milliseconds are passed in. */

/** Send times are kept for this many messages, a minute's worth, to find the one that a result names. */
const REMEMBERED = 1024;

export class Delays {
  #sentAt = new Map(); // id -> time of its sending, oldest first
  #used = {}; // what the newest result had used

  sent(id, now) {
    this.#sentAt.set(id, now);
    if (this.#sentAt.size > REMEMBERED) this.#sentAt.delete(this.#sentAt.keys().next().value);
  }

  /** {audio, frame}: how long ago the newest media behind a result was sent; null where nothing new is behind it. */
  of(used, now) {
    const age = (kind) => {
      const sentAt = used[kind] === this.#used[kind] ? undefined : this.#sentAt.get(used[kind]);
      return sentAt === undefined ? null : now - sentAt;
    };
    const delays = { audio: age("audio"), frame: age("frame") };
    this.#used = used;
    return delays;
  }

  clear() {
    this.#sentAt.clear();
  }
}
